from __future__ import annotations

import pytest

from training.devices import Device, Gpu, choose_device, shares_of
from training.messages import say


def chosen(gpus: list[Gpu], *, built_with_cuda: bool = True, has_driver: bool = True) -> Device:
    return choose_device(gpus, built_with_cuda=built_with_cuda, has_driver=has_driver, cpu_name="Xeon × 2")


@pytest.mark.parametrize(
    ("capability", "precision"),
    [((8, 6), "mixed_float16"), ((7, 0), "mixed_float16"), ((6, 1), "float32"), (None, "float32")],
)
def test_a_gpu_computes_in_mixed_precision_where_it_has_tensor_cores(
    capability: tuple[int, int] | None, precision: str
) -> None:
    device = chosen([Gpu("RTX", capability)])

    assert device == Device("gpu", "RTX", precision)


@pytest.mark.parametrize(
    ("gpus", "device"),
    [
        ([Gpu("L4", (8, 9))] * 2, Device("gpu", "2 × L4", "mixed_float16", count=2)),
        ([Gpu("A100", (8, 0)), Gpu("T4", (7, 5))], Device("gpu", "A100 + T4", "mixed_float16", count=2)),
        ([Gpu("T4", (7, 5)), Gpu("P4", (6, 1))], Device("gpu", "T4 + P4", "float32", count=2)),
    ],
)
def test_all_gpus_are_used_in_the_precision_that_suits_each(gpus: list[Gpu], device: Device) -> None:
    assert chosen(gpus) == device


@pytest.mark.parametrize(("count", "batch_size", "shares"), [(1, 32, 1), (2, 32, 2), (3, 32, 2), (3, 9, 3), (4, 1, 1)])
def test_as_many_devices_are_used_as_share_a_batch_evenly(count: int, batch_size: int, shares: int) -> None:
    assert shares_of(batch_size, count) == shares


@pytest.mark.parametrize(
    ("has_driver", "built_with_cuda", "reason"),
    [
        (False, True, "No NVIDIA driver answers"),
        (False, False, "No NVIDIA driver answers"),
        (True, False, "built without CUDA"),
        (True, True, "pip install -r requirements-gpu.txt"),
    ],
)
def test_without_a_gpu_the_cpu_computes_and_says_why(has_driver: bool, built_with_cuda: bool, reason: str) -> None:
    device = chosen([], has_driver=has_driver, built_with_cuda=built_with_cuda)

    assert (device.kind, device.name, device.precision) == ("cpu", "Xeon × 2", "float32")
    assert reason in say(device.reason)
