"""How good from few pictures: a preset on some of each class, judged on all that it was not given.

    python -m benchmarks.few_shot ../shared/data FOLDER \\
        [--sets animals garbage eye pets] [--preset balanced] [--each 20 60] [--draws 8] [--unseen 600]

Each draw is an installation's own recognizer of so many pictures of every class; the product splits them as it always
does. What it was not given it answers from its serving model, as the site would. A line for each training goes to
FOLDER/few_shot.jsonl, and what is there already is not trained again: the command can be ended and called again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.installation import open_installation, recognizer_of, train

SETS = ("animals", "garbage", "eye", "pets")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--each", nargs="+", type=int, default=[20, 60])
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--unseen", type=int, default=600, help="pictures that it is judged on, at most")
    options = parser.parse_args()
    open_installation(options.folder)
    log = options.folder / "few_shot.jsonl"
    for draw in range(1, options.draws + 1):
        for each in options.each:
            for name in options.sets:
                key = {"set": name, "preset": options.preset, "each": each, "draw": draw}
                if key not in [{part: line[part] for part in key} for line in _lines(log)]:
                    measured = key | _train(options, name, each, draw)
                    with log.open("a") as file:
                        file.write(json.dumps(measured) + "\n")
    _print_table(_lines(log))


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _train(options: argparse.Namespace, name: str, each: int, draw: int) -> dict[str, Any]:
    given, unseen = _drawn(options.data / name, each, draw)
    pictures = options.folder / "drawn" / f"{name}-{each}-{draw}"
    for path in given:
        target = pictures / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    version, seconds = train(recognizer_of(pictures), "--preset", options.preset, "--set", f"seed={draw}")
    some = [unseen[i] for i in np.random.default_rng(draw).permutation(len(unseen))[: options.unseen]]
    return {
        "network": version.run.config["network"],
        "is_tuned": version.run.training_config.tunes_its_backbone,
        "accuracy": _accuracy(version, some),
        "pictures": len(some),
        "said": version.test_accuracy,
        "seconds": round(seconds),
        "milliseconds": version.figures.cost.milliseconds,
    }


def _drawn(folder: Path, each: int, draw: int) -> tuple[list[Path], list[Path]]:
    """So many pictures of each class, and all the others."""
    given, unseen = [], []
    for label in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(label.iterdir())
        order = np.random.default_rng(draw).permutation(len(files))
        given += [files[i] for i in order[:each]]
        unseen += [files[i] for i in order[each:]]
    return given, unseen


def _accuracy(version: Any, pictures: list[Path]) -> float:
    from training.data.images import load_pixels
    from training.trainer.input_pipeline import stacked

    answer = version.files.open_serving_model(streams=2)
    right = stacked(
        lambda i: np.asarray(
            version.class_names[answer(load_pixels(pictures[i], version.image_size)[np.newaxis]).argmax()]
            == pictures[i].parent.name
        ),
        len(pictures),
    )
    return round(float(right.mean()), 4)


def _print_table(lines: list[dict[str, Any]]) -> None:
    print("\n| pictures a class | set | draws | accuracy | least | seconds | ms an answer |")
    print("|---|---|---|---|---|---|---|")
    for each in sorted({line["each"] for line in lines}):
        means = []
        for name in dict.fromkeys(line["set"] for line in lines):
            some = [line for line in lines if (line["each"], line["set"]) == (each, name)]
            if some:
                accuracies = [line["accuracy"] for line in some]
                means.append(statistics.mean(accuracies))
                seconds, milliseconds = (
                    statistics.median(line[part] for line in some) for part in ("seconds", "milliseconds")
                )
                print(
                    f"| {each} | {name} | {len(some)} | {means[-1]:.3f} | {min(accuracies):.3f} "
                    f"| {seconds:.0f} | {milliseconds:.1f} |"
                )
        print(f"| {each} | mean | | {statistics.mean(means):.3f} | | | |")


if __name__ == "__main__":
    main()
