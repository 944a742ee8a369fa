"""MobileNetV2 or EfficientNet-Lite0 in plain PyTorch, as its transfer-learning tutorial does: the last layer, then all.

    python benchmarks/rivals/plain_torch.py PICTURES.json WEIGHTS [--image-size 160] [--head-epochs 5] \\
        [--epochs 12] [--rate 0.008]

Needs torch, h5py, numpy and Pillow, none of the project. PICTURES.json is {"classes": n, "train": [[file, label], …],
"test": [[file, label], …]}; WEIGHTS an H5 with MobileNetV2's of ImageNet as Keras keeps them, or a .pth with
EfficientNet-Lite0's, copied over layer by layer; image sizes are multiples of 32. Pictures are decoded once, on all
cores. channels_last; random resized crop and flip; SGD with momentum 0.9, the rate a tenth after 7 epochs, as in the
tutorial, whose rate of 0.001 for 4 pictures a step is 0.008 for 32.
After each epoch it prints {"epoch", "seconds", "accuracy"}: seconds since its start without those of the testing.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BEGAN = time.monotonic()

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

BATCH = 32
TUTORIAL_RATE = 0.008
# Expansion, filters, how many, stride of the first, kernel size
MOBILE = [
    *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3)),
    *((6, 96, 3, 1, 3), (6, 160, 3, 2, 3), (6, 320, 1, 1, 3)),
]
LITE0 = [
    *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3)),
    *((6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)),
]
MEAN_AND_SCALE = {"mobilenetv2": (127.5, 127.5), "efficientnetlite0": (127.0, 128.0)}  # of pixels in 0-255


class Convolution(nn.Sequential):
    """Convolution, batch normalisation and, but for the last of a block, ReLU6; padded as Keras pads."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, groups: int = 1, *, linear: bool = False):
        super().__init__()
        if stride == 2:
            before, after = (size - 2) // 2, (size - 1) // 2  # of an even side
            self.append(nn.ZeroPad2d((before, after, before, after)))
        self.append(
            nn.Conv2d(inputs, outputs, size, stride, size // 2 if stride == 1 else 0, groups=groups, bias=False)
        )
        self.append(nn.BatchNorm2d(outputs, eps=1e-3))
        if not linear:
            self.append(nn.ReLU6(inplace=True))


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, size: int):
        super().__init__()
        hidden = inputs * expansion
        first = [Convolution(inputs, hidden, 1, 1)] if expansion > 1 else []
        rest = [Convolution(hidden, hidden, size, stride, hidden), Convolution(hidden, outputs, 1, 1, linear=True)]
        self.layers = nn.Sequential(*first, *rest)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.is_residual else self.layers(x)


class Network(nn.Module):
    def __init__(self, name: str, classes: int):
        super().__init__()
        layers: list[nn.Module] = [Convolution(3, 32, 3, 2)]
        inputs = 32
        for expansion, outputs, count, stride, size in LITE0 if name == "efficientnetlite0" else MOBILE:
            for i in range(count):
                layers.append(Block(inputs, outputs, stride if i == 0 else 1, expansion, size))
                inputs = outputs
        layers.append(Convolution(inputs, 1280, 1, 1))
        self.backbone = nn.Sequential(*layers)
        self.mean, self.scale = MEAN_AND_SCALE[name]
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x).mean((2, 3)))


def copy_weights(network: Network, path: Path) -> None:
    """Both kinds of files list the layers in the order in which ours are made."""
    modules = [each for each in network.backbone.modules() if isinstance(each, nn.Conv2d | nn.BatchNorm2d)]
    if path.suffix == ".pth":
        targets = [value for each in modules for value in each.state_dict().values() if value.is_floating_point()]
        found = {name: value for name, value in torch.load(path, weights_only=True).items() if "_fc" not in name}
        for target, value in zip(targets, [each for each in found.values() if each.is_floating_point()], strict=True):
            target.copy_(value)
        return
    with h5py.File(path) as file:
        group = file.get("model_weights", file)
        layers = [name.decode() if isinstance(name, bytes) else name for name in group.attrs["layer_names"]]
        arrays = [
            [group[layer][weight][()] for weight in group[layer].attrs["weight_names"]]
            for layer in layers
            if len(group[layer].attrs["weight_names"])
        ]
    for module, values in zip(modules, arrays, strict=True):
        tensors = [torch.from_numpy(np.asarray(value, dtype=np.float32)) for value in values]
        if isinstance(module, nn.BatchNorm2d):
            for target, tensor in zip(
                (module.weight, module.bias, module.running_mean, module.running_var), tensors, strict=True
            ):
                target.data.copy_(tensor)
        else:  # (height, width, in, out), or (height, width, channels, 1) of a depthwise one
            order = (2, 3, 0, 1) if module.groups > 1 else (3, 2, 0, 1)
            module.weight.data.copy_(tensors[0].permute(order))


def read(pictures: list[tuple[str, int]], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    def decode(file: str) -> np.ndarray:
        with Image.open(file) as picture:
            return np.asarray(picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pixels = np.stack(list(pool.map(decode, [file for file, _ in pictures])))
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return x, torch.tensor([label for _, label in pictures])


def scaled(pixels: torch.Tensor, network: Network) -> torch.Tensor:
    return (pixels.float() - network.mean) / network.scale


def augmented(x: torch.Tensor) -> torch.Tensor:
    """Random resized crop (area 0.35 to 1) and flip."""
    n = len(x)
    scale = (torch.rand(n) * 0.65 + 0.35).sqrt()
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    shift = (torch.rand(n, 2) * 2 - 1) * (1 - scale)[:, None]
    zero = torch.zeros(n)
    rows = [torch.stack([scale * mirror, zero, shift[:, 0]], 1), torch.stack([zero, scale, shift[:, 1]], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    changed = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    return changed.contiguous(memory_format=torch.channels_last)


def accuracy(network: Network, x: torch.Tensor, y: torch.Tensor) -> float:
    network.eval()
    with torch.inference_mode():
        answers = torch.cat([network(scaled(x[i : i + 64], network)).argmax(1) for i in range(0, len(x), 64)])
    return float((answers == y).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--head-epochs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rate", type=float, default=TUTORIAL_RATE)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    kept = json.loads(options.pictures.read_text())
    x, y = read(kept["train"], options.image_size)
    test_x, test_y = read(kept["test"], options.image_size)
    name = "efficientnetlite0" if options.weights.suffix == ".pth" else "mobilenetv2"
    network = Network(name, kept["classes"]).to(memory_format=torch.channels_last)
    copy_weights(network, options.weights)
    testing = 0.0
    for epoch in range(options.head_epochs + options.epochs):
        if epoch in (0, options.head_epochs):
            is_head = epoch < options.head_epochs
            network.backbone.requires_grad_(not is_head)
            learning = network.head.parameters() if is_head else network.parameters()
            optimizer = torch.optim.SGD(learning, options.rate, momentum=0.9)
            schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
        network.train()
        for batch in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            functional.cross_entropy(network(augmented(scaled(x[batch], network))), y[batch]).backward()
            optimizer.step()
        schedule.step()
        trained = time.monotonic()
        share = accuracy(network, test_x, test_y)
        seconds = trained - BEGAN - testing
        testing += time.monotonic() - trained
        print(json.dumps({"epoch": epoch + 1, "seconds": round(seconds, 1), "accuracy": share}), flush=True)


if __name__ == "__main__":
    main()
