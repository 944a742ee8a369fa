"""How accurate, how long, how well calibrated: presets on real pictures, seed after seed, the way a user trains.

    python -m benchmarks.accuracy ../shared/data FOLDER \\
        [--sets garbage animals …] [--preset balanced] [--network NAME] [--seeds 1 2 3] [--set NAME=VALUE …]

Each class-folder set of the data folder is imported into an installation of its own below FOLDER, with the groups of
`groups.csv` where it names the set, and trained by `manage.py train --preset`. The split is the product's own; it is
stored with the first training, so all seeds are judged on the same test pictures. A line for each training goes to
FOLDER/accuracy.jsonl, and what is there already is not trained again: the command can be ended and called again.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.installation import open_installation, peak_megabytes, recognizer_of, train

SETS = ("garbage", "animals", "rice", "eye", "pets", "traffic_signs", "mnist")
TARGETS = {
    "garbage": 0.94,
    "animals": 0.96,
    "rice": 0.99,
    "eye": 0.91,
    "pets": 0.85,
    "traffic_signs": 0.985,
    "mnist": 0.99,
}
COLUMNS = (
    *("set", "preset", "network", "seeds", "accuracy, each", "mean", "target"),
    *("test pictures", "seconds", "ECE", "coverage"),
)


def main() -> None:
    options = _options()
    open_installation(options.folder)
    log = options.folder / "accuracy.jsonl"
    for seed in options.seeds:
        for name in options.sets:
            key = {"set": name, "preset": options.preset, "asked": options.network or "", "seed": seed}
            if not _is_known(log, key | {"settings": options.set}):
                measured = key | {"settings": options.set} | _train(options, name, seed)
                with log.open("a") as file:
                    file.write(json.dumps(measured) + "\n")
    _print_table(log)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--network", help="by default the one that network selection takes")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def _is_known(log: Path, key: dict[str, Any]) -> bool:
    lines = map(json.loads, log.read_text().splitlines()) if log.exists() else ()
    return any(all(line.get(name) == value for name, value in key.items()) for line in lines)


def _train(options: argparse.Namespace, name: str, seed: int) -> dict[str, Any]:
    recognizer = recognizer_of(options.data / name, options.data / "groups.csv")
    network = ["--network", options.network] if options.network else []
    return _figures(*train(recognizer, "--preset", options.preset, *network, "--set", f"seed={seed}", *options.set))


def _figures(version: Any, seconds: float) -> dict[str, Any]:
    evaluation = version.figures
    return {
        "network": version.run.config["network"],
        "image_size": version.image_size,
        "accuracy": version.test_accuracy,
        "pictures": evaluation.pictures,
        "seconds": round(seconds),
        "ece": evaluation.calibration.after.error,
        "ece_by_chance": evaluation.calibration.after.by_chance,
        "coverage": evaluation.prediction_sets.coverage,
        "trainer_megabytes": peak_megabytes(),
        "choice": version.run.choice,
    }


def _print_table(log: Path) -> None:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    print(f"\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for key in dict.fromkeys((line["set"], line["preset"], tuple(line["settings"])) for line in lines):
        some = [line for line in lines if (line["set"], line["preset"], tuple(line["settings"])) == key]
        columns = [
            key[0],
            " ".join((key[1], *key[2])),
            ", ".join(sorted({f"{line['network']} {line['image_size']}" for line in some})),
            _listed(some, "seed", "d"),
            _listed(some, "accuracy", ".3f"),
            f"{statistics.mean(line['accuracy'] for line in some):.3f}",
            str(TARGETS.get(key[0], "")),
            str(some[0]["pictures"]),
            _listed(some, "seconds", "d"),
            _listed(some, "ece", ".3f"),
            _listed(some, "coverage", ".3f"),
        ]
        print(f"| {' | '.join(columns)} |")


def _listed(lines: list[dict[str, Any]], name: str, form: str) -> str:
    return ", ".join("–" if line[name] is None else format(line[name], form) for line in lines)


if __name__ == "__main__":
    main()
