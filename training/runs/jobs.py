"""One claimed job, by its kind, in the trainer's process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from training.models import Job
from training.outages import outlasting


def carry_out(job: Job) -> None:
    """Compute what a claimed job asks for and keep the result in its row. Raises: UserFacingError for its page."""
    result = _maker(Job.Kind(job.kind))(job)
    outlasting(lambda: job.finish(result))


def _maker(kind: Job.Kind) -> Callable[[Job], dict[str, Any]]:
    """Imported here: each kind loads what it needs, and TensorFlow only where that is needed."""
    if kind == Job.Kind.REVIEW:
        from training.library.review import review_job

        return review_job
    if kind == Job.Kind.INSPECTION:
        from training.trainer.inspection import inspection_job

        return inspection_job
    from training.trainer.dry_run import rehearsal_job

    return rehearsal_job
