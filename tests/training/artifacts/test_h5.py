from __future__ import annotations

import contextlib
import errno
import json
import random
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import h5py
import numpy as np
import pytest

from tests.disks import fill
from training.artifacts.files import check_files, read_checked, sha256_of
from training.artifacts.h5 import GROUP, check_layers, load_network, read_golden, read_provenance, write_h5
from training.config import TrainingConfig
from training.config.choices import AUGMENTATIONS
from training.data.manifest import Entry, Manifest
from training.devices import Device
from training.errors import BrokenArtifact

pytestmark = pytest.mark.keras

CONFIG = TrainingConfig.for_network("lenet5", {"image_size": 20, "augmentation": AUGMENTATIONS})
MANIFEST = Manifest("", ["猫", "狗"], [Entry("a.webp", "0" * 64, 0, "train")])
CPU = Device("cpu", "Some CPU × 2")
PICTURE = np.random.default_rng(1).integers(0, 256, (20, 20, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network() -> Any:
    from training import networks

    return networks.build(CONFIG, 2)


@pytest.fixture
def h5(network: Any, tmp_path: Path) -> Path:
    from training.trainer.train import provenance_of

    provenance = provenance_of("pets", MANIFEST.class_names, CONFIG, CPU, manifest_sha256=MANIFEST.sha256)
    return write_h5(network, tmp_path / "network.h5", provenance, golden_input=PICTURE).path


def opened(path: Path) -> Any:
    import keras

    return load_network(path, keras.saving.load_model)


def answer(network: Any) -> np.ndarray:
    return np.asarray(network(PICTURE[np.newaxis].astype(np.float32), training=False))[0]


def test_the_file_opens_in_plain_keras_with_the_same_answers(h5: Path, network: Any) -> None:
    import keras

    plain = keras.saving.load_model(h5, compile=False)

    assert answer(plain) == pytest.approx(answer(network), abs=1e-6)
    assert answer(opened(h5)) == pytest.approx(answer(network), abs=1e-6)


def test_the_file_says_where_it_comes_from(h5: Path) -> None:
    provenance = read_provenance(h5)

    assert provenance.recognizer == "pets"
    assert provenance.class_names == ["猫", "狗"]
    assert TrainingConfig.from_dict(provenance.config) == CONFIG
    assert provenance.manifest_sha256 == MANIFEST.sha256
    assert (provenance.image_size, provenance.temperature) == (20, 1.0)


def test_the_file_says_what_it_was_made_with(network: Any, tmp_path: Path) -> None:
    from training.trainer.train import provenance_of

    provenance = provenance_of("pets", MANIFEST.class_names, CONFIG, CPU, manifest_sha256=MANIFEST.sha256)

    h5 = write_h5(network, tmp_path / "network.h5", provenance, golden_input=PICTURE)

    assert read_provenance(h5.path) == provenance
    assert read_provenance(h5.path).environment["device"] == "Some CPU × 2"


def test_the_file_holds_a_picture_and_the_answer_it_must_get(h5: Path, network: Any) -> None:
    golden_input, golden_output = read_golden(h5)

    assert (golden_input == PICTURE).all()
    assert golden_output == pytest.approx(answer(network), abs=1e-6)


def test_a_layer_that_no_builder_uses_is_refused(tmp_path: Path) -> None:
    import keras

    network = keras.Sequential([keras.Input((20, 20, 3)), keras.layers.Flatten(), keras.layers.UnitNormalization()])
    from training.trainer.train import provenance_of

    provenance = provenance_of("pets", MANIFEST.class_names, CONFIG, CPU, manifest_sha256=MANIFEST.sha256)
    h5 = write_h5(network, tmp_path / "network.h5", provenance, golden_input=PICTURE)

    with pytest.raises(BrokenArtifact, match="UnitNormalization"):
        opened(h5.path)


def test_a_file_that_answers_otherwise_than_it_did_is_refused(h5: Path) -> None:
    with h5py.File(h5, "r+") as file:
        bias = file["model_weights/probabilities"].visititems(_bias)
        bias[...] = [3, -3]

    with pytest.raises(BrokenArtifact, match="otherwise"):
        opened(h5)


def _bias(name: str, found: Any) -> Any:
    return found if name.endswith("bias") else None


def test_any_other_h5_is_not_ours(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    (tmp_path / "text.h5").write_text("not HDF5 at all")

    for name in ("other.h5", "text.h5"):
        with pytest.raises(BrokenArtifact, match=name):
            opened(tmp_path / name)
        with pytest.raises(BrokenArtifact, match=name):
            read_provenance(tmp_path / name)


def _declares_4_gb(file: h5py.File) -> None:
    del file["model_weights/probabilities"]
    file.create_dataset("model_weights/probabilities/kernel", shape=(2**15, 2**15), dtype="f4")  # takes no room at all


def _declares_a_large_picture(file: h5py.File) -> None:
    del file[GROUP]["golden_input"]
    file[GROUP].create_dataset("golden_input", shape=(40_000, 40_000, 3), dtype="u1", compression="gzip")


def _unpacks_to_more(file: h5py.File) -> None:
    del file[GROUP]["golden_input"]
    packed = file[GROUP].create_dataset(
        "golden_input", shape=(20, 20, 3), dtype="u1", chunks=(20, 20, 3), compression=1
    )
    packed.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(50_000_000)))


def _keeps_it_elsewhere(file: h5py.File) -> None:
    del file[GROUP]["golden_output"]
    file[GROUP].create_dataset("golden_output", shape=(2,), dtype="f4", external=[("/etc/hostname", 0, 8)])


def _links_out(file: h5py.File) -> None:
    file["optimizer_weights"] = h5py.ExternalLink("/tmp/other.h5", "/")  # noqa: S108  never opened


def _goes_round(file: h5py.File) -> None:
    file["model_weights/again"] = file["model_weights"]


def _has_no_class_names(file: h5py.File) -> None:
    del file[GROUP].attrs["class_names"]


def _has_a_number_for_names(file: h5py.File) -> None:
    file[GROUP].attrs["class_names"] = "7"


def _has_an_unknown_attribute(file: h5py.File) -> None:
    file[GROUP].attrs["colour"] = "green"


def _has_a_group_for_a_picture(file: h5py.File) -> None:
    del file[GROUP]["golden_input"]
    file[GROUP].create_group("golden_input")


def _has_another_picture(file: h5py.File) -> None:
    del file[GROUP]["golden_input"]
    file[GROUP]["golden_input"] = np.zeros((7, 7, 3), np.uint8)


def _has_no_config(file: h5py.File) -> None:
    file.attrs["model_config"] = "[" * 100_000


def _has_huge_layers(file: h5py.File) -> None:
    config = json.loads(file.attrs["model_config"])
    config["config"]["layers"][-1]["config"]["units"] = 2_000_000_000
    file.attrs["model_config"] = json.dumps(config)


def _has_a_huge_input(file: h5py.File) -> None:
    config = json.loads(file.attrs["model_config"])
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, 90_000, 90_000, 3]
    file.attrs["model_config"] = json.dumps(config)


def _has_an_input_that_makes_its_first_dense_layer_huge(file: h5py.File) -> None:
    config = json.loads(file.attrs["model_config"])
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, 4_000, 4_000, 3]  # lenet5 has a Flatten before it
    file.attrs["model_config"] = json.dumps(config)


def _nests_networks(file: h5py.File) -> None:
    config = json.loads(file.attrs["model_config"])
    for number in range(300):
        config = {"class_name": "Sequential", "config": {"name": f"s{number}", "layers": [config]}}
    file.attrs["model_config"] = json.dumps(config)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_declares_4_gb, "bytes that are not there"),
        (_declares_a_large_picture, "declared with 4800000000 bytes"),
        (_unpacks_to_more, "unpacks to more than it is declared with"),
        (_keeps_it_elsewhere, "kept in another file"),
        (_links_out, "a link to somewhere else"),
        (_goes_round, "one part under two names"),
        (_has_a_group_for_a_picture, ""),
        (_has_another_picture, ""),
        (_has_no_config, ""),
        (_has_huge_layers, "units .2000000000., which no weight in the file has"),
        (_has_a_huge_input, "batch_shape .90000., larger than 20"),
        (_has_an_input_that_makes_its_first_dense_layer_huge, "batch_shape .4000., larger than 20"),
        (_nests_networks, "networks nested deeper"),
    ],
)
def test_a_file_that_promises_more_than_it_holds_is_refused_before_any_of_it_is_read(
    h5: Path, spoil: Callable[[h5py.File], None], reason: str
) -> None:
    with h5py.File(h5, "r+") as file:
        spoil(file)

    tracemalloc.start()
    with pytest.raises(BrokenArtifact, match=rf"network\.h5 .*{reason}"):
        opened(h5)
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert memory < 100_000_000


@pytest.mark.parametrize("spoil", [_has_no_class_names, _has_a_number_for_names, _has_an_unknown_attribute])
def test_a_file_that_says_something_else_of_itself_is_none_of_ours(
    h5: Path, spoil: Callable[[h5py.File], None]
) -> None:
    with h5py.File(h5, "r+") as file:
        spoil(file)

    with pytest.raises(BrokenArtifact, match=r"network\.h5 is not an H5 that this site wrote"):
        read_provenance(h5)


STRANGE: tuple[Any, ...] = (
    ["a", "b"],
    [],
    "",
    "{}",
    "null",
    7,
    -1.5,
    b"\xff",
    np.zeros((2, 2)),
    h5py.Empty("f"),
    h5py.Empty("S4"),
)


def test_whatever_stands_in_an_attribute_the_error_is_ours(h5: Path) -> None:
    with h5py.File(h5) as file:
        places = [(name, each) for name in ("/", GROUP, "model_weights") for each in file[name].attrs]
    good, chance = h5.read_bytes(), random.Random(1)

    for name, attribute in places:
        for value in chance.sample(STRANGE, 2):
            h5.write_bytes(good)
            with h5py.File(h5, "r+") as file:
                file[name].attrs[attribute] = value
            for read in (read_provenance, read_golden, check_layers):
                with contextlib.suppress(BrokenArtifact):  # any other would fail the test
                    read(h5)


def test_whatever_a_network_is_described_as_the_error_is_ours(h5: Path) -> None:
    with h5py.File(h5) as file:
        described = file.attrs["model_config"]
    chance = random.Random(1)

    for _ in range(10):
        config = json.loads(described)
        part, key = chance.choice(list(_parts(config)))
        part[key] = chance.choice([None, [], {}, "a", ["a"], -1, 3, 1.5, [None, 8, 8, 3], {"class_name": "Dense"}])
        with h5py.File(h5, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
        with contextlib.suppress(BrokenArtifact):
            opened(h5)


def _parts(part: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a description: the dict or list and the key in it."""
    keys = list(part) if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else []
    for key in keys:
        yield part, key
        yield from _parts(part[key])


def test_wherever_a_file_is_cut_off_or_spoiled_the_error_is_ours(h5: Path) -> None:
    good = h5.read_bytes()
    chance = np.random.default_rng(1)

    for _ in range(60):
        place = int(chance.integers(len(good)))
        spoiled = bytearray(good)
        spoiled[place : place + 64] = chance.bytes(64)
        for content in (good[:place], bytes(spoiled[: len(good)])):
            h5.write_bytes(content)
            for read in (read_provenance, read_golden, check_layers):
                with contextlib.suppress(BrokenArtifact):  # any other would fail the test
                    read(h5)


def test_a_failure_while_writing_leaves_no_file(network: Any, tmp_path: Path) -> None:
    wrong_size = np.zeros((8, 8, 3), np.uint8)  # the network cannot answer it, so writing ends half-way

    from training.trainer.train import provenance_of

    with pytest.raises(ValueError):
        write_h5(
            network,
            tmp_path / "network.h5",
            provenance_of("pets", MANIFEST.class_names, CONFIG, CPU, manifest_sha256=MANIFEST.sha256),
            golden_input=wrong_size,
        )

    assert list(tmp_path.glob("**/*.h5")) == []


@pytest.mark.parametrize("room", [0, 8_000, 60_000])
def test_a_full_disk_is_called_so_and_the_older_file_stays(network: Any, small_disk: Path, room: int) -> None:
    from training.trainer.train import provenance_of

    provenance = provenance_of("pets", MANIFEST.class_names, CONFIG, CPU, manifest_sha256=MANIFEST.sha256)
    path = small_disk / "network.h5"
    older = write_h5(network, path, provenance, golden_input=PICTURE)
    fill(small_disk, room=room)

    with pytest.raises(OSError, match="No space left") as caught:
        write_h5(network, path, provenance, golden_input=PICTURE)

    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert sorted(each.name for each in small_disk.iterdir()) == ["filler", "network.h5"]
    check_files([path], older.sha256)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "serving_model.bin").write_bytes(b"weights")
    monkeypatch.setattr(Path, "read_bytes", Mock(side_effect=OSError(errno.EIO, "Input/output error")))

    with pytest.raises(BrokenArtifact, match=r"serving_model\.bin cannot be read \(Input/output error\)"):
        read_checked([tmp_path / "serving_model.bin"], "0" * 64)


def test_a_flipped_bit_or_a_missing_file_is_noticed(h5: Path) -> None:
    sha256 = sha256_of(h5)
    check_files([h5], sha256)
    data = bytearray(h5.read_bytes())
    data[len(data) // 2] ^= 1

    h5.write_bytes(data)

    with pytest.raises(BrokenArtifact, match="has changed"):
        check_files([h5], sha256)
    h5.unlink()
    with pytest.raises(BrokenArtifact, match="is missing"):
        check_files([h5], sha256)
