from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.config import TrainingConfig

pytestmark = pytest.mark.keras

SIZE = 64
PIXELS = np.random.default_rng(1).integers(0, 256, (1, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bodies")


@pytest.fixture(autouse=True)
def _nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.trainer.imagenet_bodies.INSTALLED", tmp_path / "none")


def seen(body: Any, output: str = "features") -> np.ndarray:
    from training.artifacts.serving_model import compiled

    return compiled(body, output, 1)(PIXELS)


def test_a_body_sees_at_every_size_what_the_network_of_that_size_sees(folder: Path) -> None:
    from training import networks
    from training.trainer.imagenet_bodies import imagenet_body

    settings = {"image_size": SIZE, "augmentation": ()}
    network = networks.build(TrainingConfig.for_network("efficientnetlite0", settings), 2)

    body = imagenet_body("efficientnetlite0", SIZE, folder)

    expected = np.asarray(networks.features_of(network)(PIXELS))[0]
    assert seen(body) == pytest.approx(expected, abs=1e-3)
    assert body.output("lower").shape[1] == SIZE // 8


def test_it_is_converted_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.trainer import imagenet_bodies

    first = seen(imagenet_bodies.imagenet_body("efficientnetlite0", SIZE, folder))
    monkeypatch.setattr(imagenet_bodies, "_convert", None)  # whoever calls it fails

    assert np.array_equal(seen(imagenet_bodies.imagenet_body("efficientnetlite0", SIZE, folder)), first)


def test_a_damaged_file_is_made_anew(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.trainer import imagenet_bodies

    body = imagenet_bodies.imagenet_body("efficientnetlite0", SIZE, folder)
    [structure] = folder.glob("efficientnetlite0-*.xml")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / structure.name).write_bytes(structure.read_bytes()[:1000])
    asked: list[str] = []
    monkeypatch.setattr(imagenet_bodies, "_convert", lambda network, *_: asked.append(network) or body)

    imagenet_bodies.imagenet_body("efficientnetlite0", SIZE, damaged)

    assert asked == ["efficientnetlite0"]
    assert (damaged / structure.name).stat().st_size > 1000


def test_two_side_by_side_give_the_features_of_both(folder: Path) -> None:
    from training.trainer.imagenet_bodies import imagenet_body, side_by_side

    first, second = (imagenet_body("efficientnetlite0", SIZE, folder) for _ in range(2))

    both = seen(side_by_side([first, second], SIZE))

    alone = seen(imagenet_body("efficientnetlite0", SIZE, folder))
    assert np.array_equal(both, np.concatenate([alone, alone]))


def test_what_is_made_while_installing_replaces_what_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.trainer import imagenet_bodies

    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "efficientnetlite0-224-of-another-release.bin").write_bytes(b"old")
    monkeypatch.setattr(imagenet_bodies, "INSTALLED", installed)
    monkeypatch.setattr(imagenet_bodies, "USUAL_NETWORKS", ("efficientnetlite0",))
    body = imagenet_bodies.imagenet_body("efficientnetlite0", 224, folder)
    monkeypatch.setattr(imagenet_bodies, "_convert", lambda *_: body)

    imagenet_bodies.make_all()

    assert sorted(path.suffix for path in installed.iterdir()) == [".bin", ".xml"]
    assert not list(installed.glob("*another*"))


@pytest.mark.parametrize(
    ("network", "changes", "known"),
    [
        ("efficientnetlite0", {}, True),
        ("efficientnetlite0and2", {}, True),
        ("efficientnetlite0", {"pretrained": False}, False),
        ("mobilenetv2", {}, False),  # its weights are not at hand
        ("cnn", {}, False),
    ],
)
def test_only_what_imagenet_taught_and_is_at_hand_is_known(
    network: str, changes: dict[str, Any], known: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from training.trainer.imagenet_bodies import knows

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    assert knows(TrainingConfig.for_network(network, changes)) == known
