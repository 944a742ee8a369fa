from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.config import TrainingConfig
from training.trainer.feature_file import FeatureFile

CONFIG = TrainingConfig.for_network("efficientnetlite0", {"image_size": 224})
FEATURES = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_features_come_back_by_their_pictures(tmp_path: Path) -> None:
    FeatureFile.of(CONFIG, tmp_path).write(["one", "two"], FEATURES)

    found = FeatureFile.of(CONFIG, tmp_path).read()

    assert list(found) == ["one", "two"]
    assert np.array_equal(found["two"], FEATURES[1])
    assert len(list(tmp_path.glob("*.npz"))) == 1


@pytest.mark.parametrize("other", [{"image_size": 240}, {"network": "efficientnetlite2"}])
def test_those_of_another_network_or_size_are_not_taken(other: dict[str, object], tmp_path: Path) -> None:
    FeatureFile.of(CONFIG, tmp_path).write(["one", "two"], FEATURES)

    assert FeatureFile.of(CONFIG.changed(other), tmp_path).read() == {}


def test_a_broken_file_counts_as_none(tmp_path: Path) -> None:
    file = FeatureFile.of(CONFIG, tmp_path)
    file.write(["one", "two"], FEATURES)
    file.path.write_bytes(file.path.read_bytes()[:-30])

    assert file.read() == {}
