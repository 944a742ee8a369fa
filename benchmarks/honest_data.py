"""Are near-duplicates found, and wrong labels?

    python -m benchmarks.honest_data FOLDER [duplicates] [agreement] [labels] [speed]

FOLDER holds <system>/<class>/*.jpg and groups.csv (system, class, file, group: which files show the same object).

duplicates  plants changed copies of a third of each system's pictures (made smaller, compressed as JPEG 60, cut by 5 %,
            mirrored, all of it at once) and says how many join their picture, and how many different pictures join.
agreement   compares the groups of the unchanged pictures with groups.csv, and counts pairs on two sides of the split.
labels      gives 5 % of the garbage pictures a wrong label and says how many are in the first 8 % of the list.
speed       times 10,000 pictures of all systems, a quarter of them planted copies.
"""

from __future__ import annotations

import csv
import io
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import django
import numpy as np
from PIL import Image, ImageOps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
django.setup()

from training.data.images import perceptual_hashes_of  # noqa: E402
from training.data.near_duplicates import Groups, Link, Looked, joined, near_duplicates  # noqa: E402
from training.data.splitting import Sample, Shares, assign_splits  # noqa: E402

SYSTEMS = ("garbage", "animals", "pets", "eye", "rice", "traffic_signs", "mnist")
CHANGES = ("smaller", "compressed", "cut", "mirrored")
SHARE_WRONG, SHARE_LOOKED_AT = 0.05, 0.08


def changed(picture: Image.Image, changes: tuple[str, ...], rng: random.Random) -> Image.Image:
    if "cut" in changes:
        width, height = (round(0.95 * side) for side in picture.size)
        left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
        picture = picture.crop((left, top, left + width, top + height))
    if "mirrored" in changes:
        picture = ImageOps.mirror(picture)
    if "smaller" in changes:
        scale = rng.uniform(0.5, 0.8)
        resampling = rng.choice([Image.Resampling.BILINEAR, Image.Resampling.LANCZOS])
        picture = picture.resize([max(8, round(side * scale)) for side in picture.size], resampling)
    if "compressed" in changes:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=60)
        picture = Image.open(file).convert("RGB")
    return picture


def plant(files: list[Path], count: int, folder: Path, rng: random.Random) -> tuple[list[Path], list[str]]:
    """Changed copies of the first files: every other with all changes, the rest with one each."""
    paths, kinds = [], []
    for number, file in enumerate(files[:count]):
        single = CHANGES[number // 2 % len(CHANGES)]
        path = folder / f"{number}.png"
        changed(Image.open(file).convert("RGB"), CHANGES if number % 2 else (single,), rng).save(path)
        paths.append(path)
        kinds.append("all at once" if number % 2 else single)
    return paths, kinds


def looked(paths: list[Path]) -> list[Looked]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        prints = list(pool.map(perceptual_hashes_of, paths))
    sides = [min(Image.open(path).size) for path in paths]
    return [Looked(*each) for each in zip(paths, sides, prints, strict=True)]


def grouped(paths: list[Path]) -> tuple[Groups, list[Link]]:
    links = near_duplicates(looked(paths))
    return joined(len(paths), links), links


def known_groups(folder: Path) -> dict[Path, str]:
    with (folder / "groups.csv").open() as file:
        return {folder / row["system"] / row["class"] / row["file"]: row["group"] for row in csv.DictReader(file)}


def duplicates(folder: Path) -> None:
    known = known_groups(folder)
    for system in SYSTEMS:
        rng = random.Random(1)
        files = sorted((folder / system).rglob("*.jpg"))
        rng.shuffle(files)
        with tempfile.TemporaryDirectory() as name:
            planted, kinds = plant(files, len(files) // 3, Path(name), rng)
            groups, links = grouped([*files, *planted])
        is_found = [groups.find(number) == groups.find(len(files) + number) for number in range(len(planted))]
        share = {
            kind: np.mean([found for found, each in zip(is_found, kinds, strict=True) if each == kind])
            for kind in (*CHANGES, "all at once")
        }
        members: dict[int, list[int]] = {}
        for number in range(len(files)):
            members.setdefault(groups.find(number), []).append(number)
        objects = [known.get(file, str(file)) for file in files]
        strangers = [link for link in links if link.second < len(files) and objects[link.first] != objects[link.second]]
        doubtful = [link for link in strangers if link.difference > 0.03]
        print(
            f"{system:<14}{len(files)} pictures, {len(planted)} planted, {np.mean(is_found):.3f} found:",
            *(f"{kind} {value:.3f}" for kind, value in share.items()),
            f"| links of different objects {len(strangers)}, of them no exact copies {len(doubtful)}"
            f" ({len({n for link in doubtful for n in link[1:]}) / len(files):.4f} of the pictures),"
            f" largest group {max(map(len, members.values()))}",
            flush=True,
        )


def agreement(folder: Path) -> None:
    from sklearn.metrics import adjusted_rand_score

    known = known_groups(folder)
    for system in ("traffic_signs", "rice"):
        files = sorted((folder / system).rglob("*.jpg"))
        groups, _ = grouped(files)
        ours = [groups.find(number) for number in range(len(files))]
        theirs = [known[file] for file in files]
        both = pairs(zip(ours, theirs, strict=True))
        print(
            f"{system}: {len(set(ours))} groups of ours, {len(set(theirs))} in groups.csv; of our pairs "
            f"{both / max(pairs(ours), 1):.3f} are theirs, of theirs {both / pairs(theirs):.3f} are ours; "
            f"adjusted Rand {adjusted_rand_score(theirs, ours):.3f}"
        )
        for title, names in (("ours", ours), ("groups.csv as source", theirs)):
            samples = [Sample(str(f), str(f), f.parent.name, str(n)) for f, n in zip(files, names, strict=True)]
            sides = assign_splits(samples, Shares())
            apart = pairs(names) - pairs(zip(names, sides, strict=True))
            counts = Counter(sides)
            print(f"  split by {title}: {dict(counts)}, {apart} pairs of a group on two sides", flush=True)


def pairs(names: object) -> int:
    return sum(count * (count - 1) // 2 for count in Counter(names).values())  # type: ignore[call-overload]


def labels(folder: Path) -> None:
    from training.evaluation.label_errors import find_label_errors, out_of_fold, reduced
    from training.library import review

    files = sorted((folder / "garbage").rglob("*.jpg"))
    keys = sorted({file.parent.name for file in files})
    true = np.array([keys.index(file.parent.name) for file in files], dtype=np.int32)
    groups, _ = grouped(files)
    names = [str(groups.find(number)) for number in range(len(files))]
    kind, imagenet = review._features()
    batches = [review._decoded(files[at : at + review.BATCH]) for at in range(0, len(files), review.BATCH)]
    for title, features_of in ((kind, imagenet), ("pixels", review._plain_features)):
        features = reduced(np.concatenate([features_of(batch) for batch in batches]))
        for seed in (1, 2, 3):
            rng = np.random.default_rng(seed)
            wrong = rng.choice(len(true), round(SHARE_WRONG * len(true)), replace=False)
            given = true.copy()
            given[wrong] = (given[wrong] + rng.integers(1, len(keys), len(wrong))) % len(keys)
            began = time.monotonic()
            found = find_label_errors(given, out_of_fold(features, given, names))
            first = [each.position for each in found[: round(SHARE_LOOKED_AT * len(true))]]
            print(
                f"{title}, seed {seed}: {np.isin(wrong, first).mean():.3f} of {len(wrong)} wrong labels in the first "
                f"{len(first)} of {len(true)} ({time.monotonic() - began:.0f} s)",
                flush=True,
            )


def speed(folder: Path) -> None:
    rng = random.Random(1)
    files = sorted(file for system in SYSTEMS for file in (folder / system).rglob("*.jpg"))
    rng.shuffle(files)
    with tempfile.TemporaryDirectory() as name:
        planted, _ = plant(files, 2500, Path(name), rng)
        paths = [*files[:7500], *planted]
        with timed(f"perceptual hashes of {len(paths)} pictures, taken when they come in"):
            ready = looked(paths)
        with timed("near-duplicates among them"):
            links = near_duplicates(ready)
        groups = joined(len(paths), links)
    print(f"{np.mean([groups.find(n) == groups.find(7500 + n) for n in range(2500)]):.3f} of the planted copies found")


@contextmanager
def timed(title: str) -> Iterator[None]:
    began, cpu = time.monotonic(), cpu_seconds()
    yield
    print(f"{title}: {time.monotonic() - began:.0f} s, {cpu_seconds() - cpu:.0f} s of processor time", flush=True)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(time.strftime("%Y-%m-%d"), f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}")
    for measure in sys.argv[2:] or ["duplicates", "agreement", "labels", "speed"]:
        {"duplicates": duplicates, "agreement": agreement, "labels": labels, "speed": speed}[measure](Path(sys.argv[1]))
