"""What a run waits for and how it goes on after it was cut off, in the visitor's language."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from training.models import TrainingRun, Worker

START_A_WORKER = "honcho start worker"


def what_it_waits_for(run: TrainingRun, workers: list[Worker]) -> str:
    """Empty for a run that waits no more; `workers` are those alive."""
    if run.state != TrainingRun.State.QUEUED:
        return ""
    if not workers:
        return _("No worker is running. Start one on a training host with “%(command)s”.") % {"command": START_A_WORKER}
    fitting = [each for each in workers if each.has_gpu or not run.needs_gpu]
    if not fitting:
        return _("It waits for a worker with a GPU; none has reported for a minute.")
    num_before = _runs_before(run, workers, fitting)
    if num_before >= len(fitting):
        return ngettext("%(count)d run is before it.", "%(count)d runs are before it.", num_before) % {
            "count": num_before
        }
    return _("It waits for a worker with a GPU.") if run.needs_gpu else _("It waits for a worker.")


def _runs_before(run: TrainingRun, workers: list[Worker], fitting: list[Worker]) -> int:
    """Runs that the fitting workers carry out or will take first; one that waits for a GPU in vain delays nobody."""
    earlier = TrainingRun.objects.queued().filter(pk__lt=run.pk)
    if not any(worker.has_gpu for worker in workers):
        earlier = earlier.filter(needs_gpu=False)
    active = TrainingRun.objects.active().only("state", "owner")
    return int(earlier.count()) + sum(any(worker.carries_out(each) for worker in fitting) for each in active)


def how_it_goes_on(run: TrainingRun) -> str:
    """Empty for a run that was never cut off, or has ended."""
    if run.has_ended:
        return ""
    if run.state in (TrainingRun.State.QUEUED, TrainingRun.State.PREPARING):
        return _how_it_will_go_on(run)
    values = {"epoch": run.resumed_from, "why": run.interruption}
    if run.resumed_from and run.interruption:
        return _("Goes on after epoch %(epoch)d, after an interruption: %(why)s") % values
    if run.resumed_from:
        return _("Goes on after epoch %(epoch)d.") % values
    return _("Begins again after an interruption: %(why)s") % values if run.interruption else ""


def _how_it_will_go_on(run: TrainingRun) -> str:
    kept = run.checkpoints.first()
    said = [_("It was cut off: %(why)s") % {"why": run.interruption}] if run.interruption else []
    if kept and kept.epoch:
        said.append(_("It goes on after epoch %(epoch)d.") % {"epoch": kept.epoch})
    elif kept:
        said.append(_("It goes on within its first epoch."))
    elif run.interruption:
        said.append(_("It begins again."))
    return " ".join(said)
