"""Looks at all that an H5 declares before any of it is read: few bytes can promise gigabytes, or lead out of the file.

HDF5 makes room for what a header says, not for what the file holds. What is ours is plain: groups, hard links, weights
as they lie in memory, attributes, and one small packed picture.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Any

from training.limits import (
    MAX_DEPTH,
    MAX_LAYERS,
    MAX_NESTED_NETWORKS,
    MAX_OBJECTS,
    MAX_PACKED_BYTES,
    MAX_PADDING,
)

WEIGHTS = "model_weights"  # Keras's group
DEFLATE, SHUFFLE = 1, 2  # HDF5's numbers of filters
SIZES = ("units", "filters", "depth_multiplier", "kernel_size")  # of what a layer learns; its stored weights have them
INPUTS = ("batch_shape", "batch_input_shape", "input_shape")


class Refused(Exception):
    """What is wrong, in a few words."""


def check_contents(file: Any, num_bytes: int) -> None:
    """Compare what an open h5py.File declares with the bytes that it has. Raises: Refused."""
    seen: set[int] = set()
    num_objects, promised = 0, 0
    for name, each in _objects(file, "", 0):
        promised += sum(_size_of_attributes(name, each, num_bytes))
        promised += _size_of_dataset(name, each) if hasattr(each, "shape") else 0
        num_objects += 1 + len(each.attrs)
        _refuse(num_objects > MAX_OBJECTS, f"more than {MAX_OBJECTS} parts")
        place = _place_of(each)
        _refuse(place in seen, f"{name}: one part under two names")
        seen.add(place)
        _refuse(promised > 2 * num_bytes + MAX_PACKED_BYTES, f"{name}: more is declared than the file can hold")


def _objects(group: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    import h5py

    _refuse(depth > MAX_DEPTH, f"nested deeper than {MAX_DEPTH}")
    yield path or "/", group
    for name in group:
        full = f"{path}/{name}"
        _refuse(not isinstance(group.get(name, getlink=True), h5py.HardLink), f"{full}: a link to somewhere else")
        found = group[name]
        if isinstance(found, h5py.Group):
            yield from _objects(found, full, depth + 1)
        else:
            _refuse(not isinstance(found, h5py.Dataset), f"{full}: neither group nor dataset")
            yield full, found


def _place_of(found: Any) -> int:
    import h5py

    return int(h5py.h5o.get_info(found.id).addr)


def _size_of_attributes(name: str, found: Any, num_bytes: int) -> Iterator[int]:
    """Bytes that each attribute takes; of texts of any length, which stand elsewhere in the file, their places."""
    import h5py

    for each in found.attrs:
        attribute = found.attrs.get_id(each)
        text = h5py.check_string_dtype(attribute.dtype)
        _refuse(text is None and attribute.dtype.kind not in "fiubSU", f"{name}: {each} is of a strange type")
        count = 0 if attribute.shape is None else math.prod(attribute.shape)
        size = count * int(attribute.dtype.itemsize)
        if text is not None and text.length is None:
            _refuse(count > MAX_LAYERS, f"{name}: {each} is a list of {count} texts")
        _refuse(size > num_bytes, f"{name}: {each} is larger than the file")
        yield size


def _size_of_dataset(name: str, found: Any) -> int:
    """Bytes that reading it takes."""
    if found.shape is None:
        return 0
    size = int(found.size) * int(found.dtype.itemsize)
    _refuse(found.dtype.kind not in "fiub", f"{name}: of a strange type")
    _refuse(bool(found.external) or found.is_virtual, f"{name}: kept in another file")
    if found.chunks is None:
        _refuse(found.id.get_storage_size() != size, f"{name}: declared with {size} bytes that are not there")
        return size
    _check_packed(name, found, size)
    return size


def _check_packed(name: str, found: Any, size: int) -> None:
    """HDF5 unpacks a chunk whole, however long it becomes."""
    created = found.id.get_create_plist()
    filters = [created.get_filter(number)[0] for number in range(created.get_nfilters())]
    _refuse(filters not in ([], [DEFLATE], [SHUFFLE, DEFLATE]), f"{name}: packed in a strange way")
    chunk = int(found.dtype.itemsize)
    for side in found.chunks:
        chunk *= int(side)
    _refuse(max(size, chunk) > MAX_PACKED_BYTES, f"{name}: packed, and declared with {size} bytes")
    num_chunks = found.id.get_num_chunks()
    _refuse(num_chunks * chunk < size, f"{name}: declared with {size} bytes that are not there")
    _refuse(num_chunks > MAX_OBJECTS, f"{name}: in too many pieces")
    for number in range(num_chunks if filters else 0):
        offset = found.id.get_chunk_info(number).chunk_offset
        mask, packed = found.id.read_direct_chunk(offset)
        _refuse(mask != 0, f"{name}: packed in a strange way")
        unpacked = zlib.decompressobj().decompress(packed, chunk + 1)
        _refuse(len(unpacked) > chunk, f"{name}: unpacks to more than it is declared with")


def layer_classes(config: dict[str, Any], weights: dict[str, set[int]], input_side: int) -> Iterator[str]:
    """The class of every layer of a network's config, in which no size is larger than the weights that are kept.

    Args:
        input_side: the longest that an input may be; what is learned behind a Flatten grows with it.
        weights: the sides of all stored weights of each layer, by its name.
    Raises: Refused; KeyError, TypeError where it is no config of Keras.
    """
    for number, (depth, own, layer) in enumerate(_layers(config, 0, None), start=1):
        _refuse(number > MAX_LAYERS, f"more than {MAX_LAYERS} layers")
        _refuse(depth > MAX_NESTED_NETWORKS, f"networks nested deeper than {MAX_NESTED_NETWORKS}")
        _check_sizes(layer, weights.get(own or "", set()), input_side)
        yield str(layer["class_name"])


def _layers(layer: dict[str, Any], depth: int, own: str | None) -> Iterator[tuple[int, str | None, dict[str, Any]]]:
    """Every layer with how deep it lies and the name of the outermost one, under which Keras keeps its weights."""
    yield depth, own, layer
    for each in layer["config"].get("layers", []) if depth <= MAX_NESTED_NETWORKS else []:
        yield from _layers(each, depth + 1, own or str(each["config"]["name"]))


def _check_sizes(layer: dict[str, Any], sides: set[int], input_side: int) -> None:
    """Keras makes room for a layer by what its config says, before it looks at the weights in the file."""
    config, name = layer["config"], layer["config"].get("name")
    learns = not str(layer["class_name"]).startswith("Random")  # these blur and turn, by a kernel that is no weight
    for key in SIZES if learns else ():
        strange = [each for each in _numbers(config.get(key)) if each not in sides]
        _refuse(bool(strange), f"{name}: {key} {strange[:1]}, which no weight in the file has")
    others = [("padding", MAX_PADDING), *((key, MAX_PADDING) for key in SIZES if not learns)]
    for key, limit in [*((key, input_side) for key in INPUTS), *others]:
        large = [each for each in _numbers(config.get(key)) if not 0 <= each <= limit]
        _refuse(bool(large), f"{name}: {key} {large[:1]}, larger than {limit}")


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _refuse(is_wrong: bool, why: str) -> None:
    if is_wrong:
        raise Refused(why)
