"""A dry run: twenty real steps of a training that has not begun, carried out as a job.

It tells how long the training will take and how large a batch the memory holds. One that was made is found again by
the settings and the number of pictures it was made for.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from training.models import Job, Recognizer, TrainingRun
from training.results.dry_run_result import DryRun
from training.runs.requests import RunRequest

LATEST = 5  # dry runs that are looked through
WITHOUT_EFFECT = frozenset({"seed"})  # on how long a training takes


def digest_of(request: RunRequest, num_pictures: int) -> str:
    """Names what a dry run is made for: settings and number of pictures, in hexadecimal digits.

    Where the network is open, one dry run tells of all presets.
    """
    if request.is_network_open:
        measured: Any = ["presets", request.config.precision]
    else:
        measured = {name: value for name, value in request.config.to_dict().items() if name not in WITHOUT_EFFECT}
    return hashlib.sha256(json.dumps([measured, num_pictures], sort_keys=True).encode()).hexdigest()[:32]


def find(recognizer: Recognizer, request: RunRequest, num_pictures: int) -> Job | None:
    """The latest dry run for a request on so many pictures, whatever state it is in; none where none was made."""
    made = _dry_runs(recognizer).filter(params__digest=digest_of(request, num_pictures))
    return made.exclude(state=Job.State.CANCELLED).first()  # type: ignore[no-any-return]


def ask_for_dry_run(recognizer: Recognizer, request: RunRequest, num_pictures: int, by: User) -> Job:
    """Ask for a dry run, or find the one that waits, works or is done; the recognizer's other ones are ended."""
    present = find(recognizer, request, num_pictures)
    if present and present.state != Job.State.FAILED:
        return present
    for outdated in _dry_runs(recognizer).unfinished():
        outdated.request_cancel()
    params = {
        "config": request.config.to_dict(),
        "preset": request.preset if request.is_network_open else "",
        "batch_size": request.config.batch_size,
        "num_pictures": num_pictures,
        "digest": digest_of(request, num_pictures),
    }
    job = Job.objects.create(recognizer=recognizer, kind=Job.Kind.DRY_RUN, params=params, started_by=by)
    transaction.on_commit(job.nudge)
    return job


def is_welcome(recognizer: Recognizer) -> bool:
    """Whether a dry run would begin at once, and measure what a training has for itself."""
    waits_or_works = Job.objects.unfinished().exclude(recognizer=recognizer, kind=Job.Kind.DRY_RUN)
    return not waits_or_works.exists() and not TrainingRun.objects.active().exists()


def expected_seconds(recognizer: Recognizer, requests: dict[str, RunRequest], num_pictures: int) -> dict[str, float]:
    """How long each preset's training should take; those that no dry run was made for are left out."""
    digests = {preset: digest_of(request, num_pictures) for preset, request in requests.items()}
    done = _dry_runs(recognizer).filter(state=Job.State.DONE, params__digest__in=set(digests.values())).order_by("pk")
    found = {job.params["digest"]: DryRun.from_dict(job.result) for job in done}
    return {preset: found[digest].seconds_of(preset) for preset, digest in digests.items() if digest in found}


def last_measured(recognizer: Recognizer, preset: str) -> float | None:
    """Seconds that a preset should take, its choice of a network included, as last measured; None where it was not."""
    for job in _dry_runs(recognizer).filter(state=Job.State.DONE)[:LATEST]:
        presets = DryRun.from_dict(job.result).presets
        if preset in presets:
            return presets[preset]
    return None


def _dry_runs(recognizer: Recognizer) -> Any:
    return Job.objects.filter(recognizer=recognizer, kind=Job.Kind.DRY_RUN).defer("log")
