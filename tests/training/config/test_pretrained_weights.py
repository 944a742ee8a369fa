from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from training.config.choices import APPLICATION_TITLES, LITES, PAIRS, PRETRAINED
from training.config.pretrained_weights import PACKAGED, PackagedWeights, are_at_hand, keras_file


@pytest.mark.parametrize("name", LITES)
def test_what_is_installed_is_what_was_published(name: str) -> None:
    path = PACKAGED[name].path

    assert path is not None
    assert hashlib.sha256(path.read_bytes()).hexdigest() == PACKAGED[name].sha256


def test_weights_are_at_hand_where_their_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_160_no_top.h5").touch()

    assert [name for name in PRETRAINED if are_at_hand(name, 160)] == [*LITES, *PAIRS, "mobilenetv2"]
    assert [name for name in PRETRAINED if are_at_hand(name, 224)] == [*LITES, "efficientnetlite0and2"]
    assert not are_at_hand("cnn", 48)


def test_packaged_weights_are_missed_where_their_package_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGED, "efficientnetlite0", PackagedWeights("no_such_package", "weights.pth", ""))

    assert not are_at_hand("efficientnetlite0", 224)


@pytest.mark.parametrize("name", APPLICATION_TITLES)
def test_every_network_of_keras_has_a_file(name: str) -> None:
    assert keras_file(name, 224).endswith(".h5")
