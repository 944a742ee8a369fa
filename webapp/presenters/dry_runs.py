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

from training.config import TrainingConfig
from training.models import Job, Recognizer, TrainingRun
from training.results.dry_run_result import DryRun

WITHOUT_EFFECT = frozenset({"seed"})  # on how long a training takes


def digest_of(config: TrainingConfig, num_pictures: int) -> str:
    """Names what a dry run is made for: settings and number of pictures, in hexadecimal digits."""
    settings = {name: value for name, value in config.to_dict().items() if name not in WITHOUT_EFFECT}
    return hashlib.sha256(json.dumps([settings, num_pictures], sort_keys=True).encode()).hexdigest()[:32]


def find(recognizer: Recognizer, config: TrainingConfig, num_pictures: int) -> Job | None:
    """The latest dry run of these settings on so many pictures, whatever state it is in; none where none was made."""
    made = _dry_runs(recognizer).filter(params__digest=digest_of(config, num_pictures))
    return made.exclude(state=Job.State.CANCELLED).first()  # type: ignore[no-any-return]


def ask_for_dry_run(recognizer: Recognizer, config: TrainingConfig, num_pictures: int, by: User) -> Job:
    """Ask for a dry run, or find the one that waits, works or is done; the recognizer's other ones are ended."""
    present = find(recognizer, config, num_pictures)
    if present and present.state != Job.State.FAILED:
        return present
    for outdated in _dry_runs(recognizer).unfinished():
        outdated.request_cancel()
    params = {
        "config": config.to_dict(),
        "batch_size": config.batch_size,
        "num_pictures": num_pictures,
        "digest": digest_of(config, num_pictures),
    }
    job = Job.objects.create(recognizer=recognizer, kind=Job.Kind.DRY_RUN, params=params, started_by=by)
    transaction.on_commit(job.nudge)
    return job


def is_welcome(recognizer: Recognizer) -> bool:
    """Whether a dry run would begin at once, and measure what a training has for itself."""
    waits_or_works = Job.objects.unfinished().exclude(recognizer=recognizer, kind=Job.Kind.DRY_RUN)
    return not waits_or_works.exists() and not TrainingRun.objects.active().exists()


def expected_seconds(recognizer: Recognizer, configs: dict[str, TrainingConfig], num_pictures: int) -> dict[str, float]:
    """How long each of some trainings should take, by its name; those that no dry run was made for are left out."""
    names = {digest_of(config, num_pictures): name for name, config in configs.items()}
    done = _dry_runs(recognizer).filter(state=Job.State.DONE, params__digest__in=list(names)).order_by("pk")
    return {names[job.params["digest"]]: DryRun.from_dict(job.result).expected_seconds for job in done}


def _dry_runs(recognizer: Recognizer) -> Any:
    return Job.objects.filter(recognizer=recognizer, kind=Job.Kind.DRY_RUN).defer("log")
