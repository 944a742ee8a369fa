"""The job that measures how long a training would take."""

from __future__ import annotations

from collections.abc import Callable

from training import storage
from training.config import TrainingConfig
from training.config.presets import BALANCED
from training.library.deleted_pictures import without_deleted
from training.library.manifests import planned_manifest_of_files
from training.models import Job
from training.outages import outlasting
from training.results.dry_run_result import DryRun
from training.runs.requests import usual_pictures


def dry_run_job(job: Job, advance: Callable[[float], object]) -> DryRun:
    """Take the first steps with the settings in a job's params on its recognizer's pictures.

    Args:
        advance: is told the share of 1 that is done.
    Raises: UserFacingError, LeaseLost.
    """
    # TensorFlow takes seconds
    from training.trainer.dry_run import dry_run, dry_run_of_presets, pictures_needed, stand_in_of

    asked = TrainingConfig.from_dict(job.params["config"])
    preset = job.params.get("preset", "")  # for which a network is to be chosen first

    def take_steps() -> DryRun:
        manifest = outlasting(lambda: planned_manifest_of_files(job.recognizer))
        side = usual_pictures(job.recognizer)["side"]
        config = stand_in_of(manifest, asked, BALANCED, side) if preset else asked
        for entry in pictures_needed(manifest, config).entries:
            storage.local_path(f"pictures/{entry.file}")  # fetches it where the store is a remote one
        advance(0.1)
        folder = storage.working_folder(job.work_name)
        if not preset:
            return dry_run(manifest, config, folder=folder)
        return dry_run_of_presets(manifest, config, folder=folder, preset=preset, side=side)

    return without_deleted(job.recognizer, take_steps)
