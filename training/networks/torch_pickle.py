"""Reads weights that torch.save wrote before version 1.6, without torch and without running what a pickle asks for.

The format: pickles of a magic number, the protocol, the sizes of numbers and the named tensors, whose storages are only
named in it; then the pickle of a list of storages, and of each its length and its numbers as they lie in memory
(github.com/pytorch/pytorch, torch/serialization.py, `_legacy_load`).
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
SIZES_OF_NUMBERS = {"protocol_version": PROTOCOL, "little_endian": True}


class NotTheseWeights(ValueError):
    """The bytes are no such file, or ask for more than named tensors."""


@dataclass(frozen=True)
class _Storage:
    """Numbers that follow after the pickles."""

    key: str
    kind: str
    length: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage, as torch describes it; strides in numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def within(self, numbers: NDArray[Any]) -> NDArray[Any]:
        last = self.offset + sum((side - 1) * stride for side, stride in zip(self.shape, self.strides, strict=True))
        if min(self.offset, *self.shape, *self.strides, 1) < 0 or 0 in self.shape or last >= len(numbers):
            raise NotTheseWeights("a tensor reaches beyond its numbers")
        strides = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides).copy()


class _Unpickler(pickle.Unpickler):
    """Knows an ordered dict of tensors and nothing else."""

    KINDS: ClassVar[Mapping[str, np.dtype[Any]]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
    ALLOWED: ClassVar[Mapping[tuple[str, str], Any]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, shape, strides, *_: _Tensor(
            storage, int(offset), tuple(shape), tuple(strides)
        ),
        ("torch", "FloatStorage"): "FloatStorage",
        ("torch", "LongStorage"): "LongStorage",
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.ALLOWED[module, name]
        except KeyError:
            raise NotTheseWeights(f"{module}.{name} is asked for") from None

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", str(kind), str(key), "cpu", int(length), None) if kind in self.KINDS:
                return _Storage(key, kind, length)
        raise NotTheseWeights("a storage of another kind")


def read_tensors(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """Tensors by name, each with its own shape and order of axes, as 32-bit floats or 64-bit integers.

    Raises: NotTheseWeights, whatever is wrong with the bytes.
    """
    try:
        magic, protocol, sizes, tensors, keys = (_Unpickler(file).load() for _ in range(5))
        if (magic, protocol) != (MAGIC_NUMBER, PROTOCOL) or not SIZES_OF_NUMBERS.items() <= sizes.items():
            raise NotTheseWeights("another format")
        storages = {each.storage.key: each.storage for each in tensors.values()}
        numbers = {key: _read_numbers(file, storages[key]) for key in keys}
        return {name: each.within(numbers[each.storage.key]) for name, each in tensors.items()}
    except NotTheseWeights:
        raise
    except Exception as error:  # whatever damaged bytes make pickle stumble over
        raise NotTheseWeights(f"{type(error).__name__}: {error}") from error


def _read_numbers(file: BinaryIO, storage: _Storage) -> NDArray[Any]:
    kind = _Unpickler.KINDS[storage.kind]
    length = int.from_bytes(file.read(8), "little")
    content = file.read(length * kind.itemsize) if length == storage.length else b""
    if len(content) != storage.length * kind.itemsize:
        raise NotTheseWeights("it ends too early")
    return np.frombuffer(content, kind)
