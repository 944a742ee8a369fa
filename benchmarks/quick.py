"""How soon a first usable version is there: 2,000 pictures of 5 classes, preset quick.

    KERAS_HOME=../shared/keras_home python -m benchmarks.quick ../shared/data FOLDER [ROUNDS]

The classes are five of the data folder's sets, 400 pictures of each. Ours is `manage.py train --preset quick` from its
start, process and all, to its version. Against it, interleaved: ten epochs of the same head with the frozen backbone
inside `fit`, without augmentation, at the same image size, in a process of its own.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.fine_tuning import RIVALS, export
from benchmarks.installation import open_installation, recognizer_of, train

CLASSES = ("garbage", "pets", "rice", "eye", "traffic_signs")
PICTURES_PER_CLASS = 400


def main(data: Path, folder: Path, rounds: int) -> None:
    open_installation(folder)
    recognizer = recognizer_of(gather(data, folder / "five-sets"))
    ours, theirs = [], []
    for number in range(1, rounds + 1):
        version, seconds = train(recognizer, "--preset", "quick", "--network", "mobilenetv2", "--set", f"seed={number}")
        ours.append(seconds)
        print(f"round {number}: ours {seconds:.1f} s, test accuracy {version.test_accuracy:.3f}", flush=True)
        print(version.run.log, flush=True)
        sides = export(version, folder)
        command = [sys.executable, str(RIVALS / "plain_keras.py"), str(sides), "--image-size", str(version.image_size)]
        began = time.monotonic()
        done = subprocess.run(
            [*command, "--frozen", "--no-augmentation", "--head-epochs", "10"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        theirs.append(time.monotonic() - began)
        last = done.stdout.strip().splitlines()[-1]
        print(f"  frozen backbone in fit, ten epochs: {theirs[-1]:.1f} s with the testing; {last}", flush=True)
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(f"medians: ours {statistics.median(ours):.1f} s, fit {statistics.median(theirs):.1f} s; {ratio:.1f} times")


def gather(data: Path, folder: Path) -> Path:
    """A folder of five class folders; files of a set get their class into the name."""
    for name in CLASSES:
        files = sorted((data / name).rglob("*.jpg"))
        step = len(files) / PICTURES_PER_CLASS
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(PICTURES_PER_CLASS):
            file = files[int(i * step)]
            shutil.copyfile(file, folder / name / f"{file.parent.name}-{file.name}")
    return folder


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 3)
