from __future__ import annotations

import collections
import io
import pickle
import sys
import types
from typing import Any

import numpy as np
import pytest

from training.networks.torch_pickle import MAGIC_NUMBER, NotTheseWeights, read_tensors

SIZES = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class Storage:
    def __init__(self, kind: Any, key: str, numbers: np.ndarray) -> None:
        self.kind, self.key, self.numbers = kind, key, numbers


class Tensor:
    """Pickled as torch pickles one."""

    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.arguments: tuple[Any, ...] = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self) -> Any:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


class Pickler(pickle.Pickler):
    def persistent_id(self, found: Any) -> Any:
        if not isinstance(found, Storage):
            return None
        return ("storage", found.kind, found.key, "cpu", len(found.numbers), None)


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """As much of torch as its pickles name."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "HalfStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


def saved(tensors: Any, storages: list[Storage], magic: int = MAGIC_NUMBER) -> bytes:
    file = io.BytesIO()
    for each in (magic, 1001, SIZES, tensors, [storage.key for storage in storages]):
        Pickler(file, 2).dump(each)
    for storage in storages:
        file.write(len(storage.numbers).to_bytes(8, "little") + storage.numbers.tobytes())
    return file.getvalue()


def read(content: bytes) -> dict[str, np.ndarray]:
    return read_tensors(io.BytesIO(content))


def test_tensors_come_back_with_their_shape_and_order(torch: Any) -> None:
    numbers = Storage(torch.FloatStorage, "5", np.arange(8, dtype="<f4"))
    count = Storage(torch.LongStorage, "6", np.array([7], "<i8"))
    tensors = collections.OrderedDict(
        whole=Tensor(numbers, 0, (2, 4), (4, 1)),
        turned=Tensor(numbers, 2, (2, 3), (1, 2)),
        seen=Tensor(count, 0, (), ()),
    )

    found = read(saved(tensors, [numbers, count]))

    assert list(found) == ["whole", "turned", "seen"]
    assert found["whole"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert found["turned"].tolist() == [[2, 4, 6], [3, 5, 7]]
    assert found["seen"] == 7
    assert {name: str(each.dtype) for name, each in found.items()} == {
        "whole": "float32",
        "turned": "float32",
        "seen": "int64",
    }


class Command:
    def __reduce__(self) -> Any:
        return eval, ("print('run')",)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda torch, numbers: Command(), "eval is asked for"),
        (lambda torch, numbers: {"x": Tensor(numbers, 6, (3,), (1,))}, "beyond its numbers"),
        (lambda torch, numbers: {"x": Tensor(numbers, -1, (3,), (1,))}, "beyond its numbers"),
        (lambda torch, numbers: {"x": Tensor(numbers, 0, (2, 2), (-9, 1))}, "beyond its numbers"),
        (lambda torch, numbers: {"x": Tensor(numbers, 0, (0,), (1,))}, "beyond its numbers"),
        (
            lambda torch, numbers: {"x": Tensor(Storage(torch.HalfStorage, "5", numbers.numbers), 0, (1,), (1,))},
            "HalfStorage is asked for",
        ),
        (lambda torch, numbers: ["no tensors"], "has no attribute"),
        (lambda torch, numbers: {"x": 3}, "has no attribute"),
    ],
)
def test_what_is_no_tensor_is_refused(torch: Any, what: Any, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = Storage(torch.FloatStorage, "5", np.arange(8, dtype="<f4"))

    with pytest.raises(NotTheseWeights, match=said):
        read(saved(what(torch, numbers), [numbers]))

    assert capsys.readouterr().out == ""  # nothing of it was run


def test_another_format_and_cut_off_files_are_refused(torch: Any) -> None:
    numbers = Storage(torch.FloatStorage, "5", np.arange(8, dtype="<f4"))
    content = saved({"x": Tensor(numbers, 0, (8,), (1,))}, [numbers])

    with pytest.raises(NotTheseWeights, match="another format"):
        read(saved({}, [], magic=1))
    for length in range(0, len(content), 7):
        with pytest.raises(NotTheseWeights):
            read(content[:length])
    assert read(content)["x"].tolist() == list(range(8))
