"""How long until garbage is told apart as well: ours, plain PyTorch, and Keras as its guides have it.

    KERAS_HOME=../shared/keras_home python -m benchmarks.fine_tuning ../shared/data/garbage FOLDER \\
        [--network mobilenetv2] [--torch PYTHON] [--rounds 1] [--preset balanced] [--set NAME=VALUE …] \\
        [--keras-rate RATE] [--torch-rate RATE]

PYTHON is an interpreter with torch 2.13, h5py, numpy and Pillow. Ours is `manage.py train` from its start to its
version; the accuracy that it reports on the test pictures is the mark. The others learn from the same training pictures
and are tested after every epoch, off the clock: the first epoch that reaches the mark counts, which flatters them.
All at the same image size, one after the other in each round, at the rates of their tutorials unless others are given.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.installation import open_installation, recognizer_of, train
from training.config.pretrained_weights import PACKAGED, keras_file, keras_folder

RIVALS = Path(__file__).parent / "rivals"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--torch", help="an interpreter with torch")
    parser.add_argument("--network", choices=("mobilenetv2", "efficientnetlite0"), default="mobilenetv2")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--epochs", type=int, default=12, help="of the others' fine-tuning, at most")
    parser.add_argument("--keras-rate", metavar="RATE", help="of its fine-tuning")
    parser.add_argument("--torch-rate", metavar="RATE")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    open_installation(options.folder)
    recognizer = recognizer_of(options.pictures)
    for number in range(1, options.rounds + 1):
        settings = ["--set", f"seed={number}", *options.set]
        version, seconds = train(recognizer, "--preset", options.preset, "--network", options.network, *settings)
        mark, size = version.test_accuracy, version.image_size
        print(f"round {number}: ours {seconds:.0f} s to {mark:.3f} at {size} px", flush=True)
        sides = export(version, options.folder)
        common = ["--image-size", str(size), "--epochs", str(options.epochs), "--seed", str(number)]
        if options.network == "mobilenetv2":
            compare("Keras as in its guides", _keras_command(sides, common, options.keras_rate), mark, seconds)
        if options.torch:
            weights = _weights_of(options.network, size)
            script = str(RIVALS / "plain_torch.py")
            torch = [options.torch, script, str(sides / "pictures.json"), str(weights), *common]
            torch += ["--rate", options.torch_rate] if options.torch_rate else []
            compare("plain PyTorch", torch, mark, seconds)


def _keras_command(sides: Path, common: list[str], rate: str | None) -> list[str]:
    command = [sys.executable, str(RIVALS / "plain_keras.py"), str(sides), *common]
    return [*command, "--rate", rate] if rate else command


def compare(name: str, command: list[str], mark: float, ours: float) -> None:
    """Run a rival until it reaches the mark or its epochs are over, and print how long it took."""
    seen: list[dict[str, Any]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as rival:
        assert rival.stdout is not None
        for line in rival.stdout:
            if not line.startswith("{"):
                continue
            seen.append(json.loads(line))
            if seen[-1]["accuracy"] >= mark:
                rival.kill()
                break
    if not seen:
        print(f"  {name}: nothing came of it", flush=True)
        return
    last, best = seen[-1], max(seen, key=lambda each: each["accuracy"])
    if last["accuracy"] >= mark:
        said = f"{last['seconds']:.0f} s to {last['accuracy']:.3f} in {last['epoch']} epochs"
    else:
        said = f"not reached in {last['seconds']:.0f} s and {last['epoch']} epochs; best {best['accuracy']:.3f}"
    print(f"  {name}: {said}; {last['seconds'] / ours:.1f} times our time", flush=True)


def export(version: Any, folder: Path) -> Path:
    """The pictures of the run that made a version, as the others want them: train/ and test/ with class folders."""
    from training.library.manifests import manifest_of_run

    manifest = manifest_of_run(version.run)
    sides = folder / "sides"
    lists: dict[str, list[tuple[str, int]]] = {"train": [], "test": []}
    for entry in manifest.entries:
        if entry.split not in lists:
            continue
        target = sides / entry.split / manifest.class_names[entry.label] / f"{entry.sha256}.png"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_png(Path(manifest.root) / entry.file, target)
        lists[entry.split].append((str(target), entry.label))
    kept = {"classes": len(manifest.class_names), **lists}
    (sides / "pictures.json").write_text(json.dumps(kept))
    return sides


def _write_png(source: Path, target: Path) -> None:
    """`image_dataset_from_directory` reads no WebP."""
    from PIL import Image

    with Image.open(source) as picture:
        picture.save(target, compress_level=1)


def _weights_of(network: str, size: int) -> Path:
    packaged = PACKAGED[network].path if network in PACKAGED else None
    return packaged or keras_folder() / keras_file(network, size)


if __name__ == "__main__":
    main()
