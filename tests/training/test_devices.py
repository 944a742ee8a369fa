from __future__ import annotations

import pytest

from training.devices import Device, Gpu, choose_device
from training.errors import say


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


def test_of_two_gpus_the_first_is_used() -> None:
    assert chosen([Gpu("A100", (8, 0)), Gpu("T4", (7, 5))]).name == "A100"


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
