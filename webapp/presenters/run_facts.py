"""What a run's page tells of it: why its network, the parts of its latest attempt, and what it was made with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypedDict

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from training.models import TrainingRun
from webapp.presenters.candidates import share_done_of_choosing
from webapp.presenters.dry_runs import last_measured
from webapp.presenters.durations import duration
from webapp.presenters.shares import whole_percent

CHOOSING = "choosing"  # the part that only a run has whose network was open
CONVERTING = "converting"
STOPPED = (TrainingRun.State.FAILED, TrainingRun.State.CANCELLED, TrainingRun.State.PRUNED)

LIBRARIES = {
    "python": "Python",
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "numpy": "NumPy",
    "openvino": "OpenVINO",
}


class Part(TypedDict):
    """A stage of a run as its page lists it."""

    name: str
    title: str
    state: str  # waits, works or done; stopped for the one in which a run ended early
    is_current: bool
    length: str  # how long it took; empty where it has not ended
    elapsed: float | None  # seconds so far of the one at work
    done: float | None  # share of the one at work; None where it has none to show
    detail: str  # how far it is, in figures


def choice_of(run: TrainingRun) -> str:
    """Why its network was picked, or that it will be; empty where a person chose it or the candidates tell."""
    if run.is_network_open:
        return _("The network is chosen before the training begins.")
    return "" if run.candidates else run.choice


def parts_of(run: TrainingRun) -> list[Part]:
    """In order; none for a run that waits, or that an earlier release carried out."""
    if not run.environment.get("parts") or run.state == TrainingRun.State.QUEUED:
        return []
    titles, moments = _titles(run), run.environment["parts"]
    began = {name: datetime.fromisoformat(moments[name]) for name in titles if name in moments}
    ends = dict(zip(began, [*list(began.values())[1:], run.ended_at], strict=True)) if began else {}
    return [_part(run, name, title, began.get(name), ends.get(name)) for name, title in titles.items()]


def _part(run: TrainingRun, name: str, title: str, began: datetime | None, end: datetime | None) -> Part:
    is_current = began is not None and end is None
    return {
        "name": name,
        "title": title,
        "state": _state(run, began, end),
        "is_current": is_current,
        "length": duration((end - began).total_seconds()) if began and end else "",
        "elapsed": (timezone.now() - began).total_seconds() if began and is_current else None,
        "done": _share_done(run, name) if is_current else None,
        "detail": _epochs_done(run) if name == TrainingRun.State.TRAINING and began else "",
    }


def _state(run: TrainingRun, began: datetime | None, end: datetime | None) -> str:
    if began is None:
        return "waits"
    if end is None:
        return "works"
    return "stopped" if end == run.ended_at and run.state in STOPPED else "done"


def _share_done(run: TrainingRun, part: str) -> float | None:
    if part == CHOOSING:
        return share_done_of_choosing(run)
    if part == TrainingRun.State.TRAINING and run.epochs_done:
        return run.epochs_done / run.num_epochs
    return None


def _epochs_done(run: TrainingRun) -> str:
    """Empty where all is learned at once."""
    if run.num_epochs == 1:
        return ""
    return _("%(done)d / %(all)d epochs") % {"done": run.epochs_done, "all": run.num_epochs}


def _titles(run: TrainingRun) -> dict[str, str]:
    titles = {
        CHOOSING: _("Choosing a network"),
        TrainingRun.State.PREPARING.value: _("Preparing pictures"),
        TrainingRun.State.TRAINING.value: _("Learning"),
        CONVERTING: _("Preparing to answer"),
        TrainingRun.State.EVALUATING.value: _("Testing"),
    }
    if CONVERTING not in run.environment["parts"] and TrainingRun.State.EVALUATING in run.environment["parts"]:
        del titles[CONVERTING]  # an earlier release's
        titles[TrainingRun.State.EVALUATING.value] = _("Testing, and preparing to answer")
    if CHOOSING not in run.environment["parts"] and not run.candidates:
        del titles[CHOOSING]
    if run.state == TrainingRun.State.SUCCEEDED:  # what it did without is not said to wait
        return {name: title for name, title in titles.items() if name in run.environment["parts"]}
    return titles


def foreseen_end(run: TrainingRun) -> datetime | None:
    """When it should be done; None where nobody knows, or where that moment has passed."""
    end = None if run.has_ended else run.expected_end() or _end_as_measured_before(run)
    return end if end and end > timezone.now() else None


def _end_as_measured_before(run: TrainingRun) -> datetime | None:
    """By the dry run of its preset, where its network is chosen and no epoch tells yet how long it takes."""
    if not run.started_at or not (run.is_network_open or run.candidates):
        return None
    seconds = last_measured(run.recognizer, run.preset)
    return run.started_at + timedelta(seconds=seconds) if seconds else None


def right_so_far(accuracy: float | None) -> str:
    """What its latest epoch got right of the pictures to choose by; a dash where there was none yet."""
    return "–" if accuracy is None else whole_percent(accuracy)


def seconds_waited(run: TrainingRun) -> float:
    """Since it was asked for."""
    return (timezone.now() - run.created_at).total_seconds()


def made_with(run: TrainingRun) -> list[tuple[str, Any]]:
    """Name and value of all that may change what the same settings come to; none before a run has begun."""
    environment = run.environment
    if "python" not in environment:
        return []
    facts = {
        _("Device"): environment["device"],
        _("Processor"): environment["cpu"],
        _("Cores"): environment["cores"],
        pgettext("arithmetic", "Precision"): environment["precision"],
        **{title: environment[name] for name, title in LIBRARIES.items()},
        _("Git revision"): environment["git_revision"],
        _("Pictures and split (SHA-256)"): run.manifest_sha256,
        _("Seed"): run.config.get("seed", ""),
    }
    return [(name, value if value != "" else "–") for name, value in facts.items()]
