"""How well does a dry run foretell the training, the choice of its network included?

    python -m benchmarks.dry_run ../shared/data/animals FOLDER [PRESET …]

For each preset (balanced by default) the training runs, from the start of `manage.py train` to its version; then the
first steps are taken as the page asks for them, in a process of their own. Nothing else may run beside.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.installation import open_installation, recognizer_of, train


def main(pictures: Path, folder: Path, presets: list[str]) -> None:
    open_installation(folder)
    from training.models import Job
    from training.results.dry_run_result import DryRun
    from training.runs import supervisor
    from training.runs.requests import RunRequest

    recognizer = recognizer_of(pictures)
    truth = {preset: train(recognizer, "--preset", preset)[1] for preset in presets}  # settles the split as well
    config = RunRequest.of(recognizer, preset=presets[0]).config
    params = {"config": config.to_dict(), "preset": presets[0], "batch_size": config.batch_size}
    job = Job.objects.create(recognizer=recognizer, kind=Job.Kind.DRY_RUN, params=params)
    supervisor.carry_out(job)
    job.refresh_from_db()
    foretold = DryRun.from_dict(job.result)
    for preset, seconds in truth.items():
        said = foretold.seconds_of(preset)
        print(f"{preset}: {said:.0f} s foretold, {seconds:.0f} s in truth; {said / seconds:.2f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or ["balanced"])
