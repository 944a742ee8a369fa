"""One claimed job, by its kind, in the trainer's process."""

from __future__ import annotations

from collections.abc import Callable

from training.models import Job
from training.outages import outlasting
from training.results.stored import Stored

Advance = Callable[[float], object]  # is told the share of 1 that is done


def carry_out(job: Job) -> None:
    """Compute what a claimed job asks for and keep the result in its row. Raises: UserFacingError for its page."""
    result = _maker(Job.Kind(job.kind))(job, lambda share: outlasting(lambda: job.advance(share)))
    outlasting(lambda: job.finish(result.to_dict()))


def _maker(kind: Job.Kind) -> Callable[[Job, Advance], Stored]:
    """Imported here: each kind loads what it needs."""
    if kind == Job.Kind.REVIEW:
        from training.runs.review_job import review_job

        return review_job
    if kind == Job.Kind.INSPECTION:
        from training.runs.inspection_job import inspection_job

        return inspection_job
    from training.runs.dry_run_job import dry_run_job

    return dry_run_job
