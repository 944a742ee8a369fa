"""The networks that a run tries while it chooses one, as its page lists them."""

from __future__ import annotations

from typing import TypedDict

from django.utils.translation import gettext as _

from training.config.choices import FROM_SCRATCH
from training.models import TrainingRun
from training.results.candidate import Candidate, State
from webapp.presenters.durations import rough
from webapp.presenters.setting_names import NETWORKS
from webapp.presenters.shares import whole_percent


class CandidateRow(TypedDict):
    network: str
    title: str
    state: State
    done: float | None  # share of its work; None while it works and nobody can tell
    figure: str  # what it got right so far; empty until there is a figure
    note: str  # how long it will take, or what came of it
    is_chosen: bool


def candidates_of(run: TrainingRun) -> list[CandidateRow]:
    """In the order they are tried; none where no network was to be chosen."""
    return [_row(each, has_ended=run.has_ended) for each in _candidates(run)]


def share_done_of_choosing(run: TrainingRun) -> float | None:
    """Of all networks together; None until one has something to show."""
    shares = [1.0 if each.state == "done" else each.done for each in _candidates(run) if each.state != "left_out"]
    return sum(shares) / len(shares) if any(shares) else None


def _candidates(run: TrainingRun) -> list[Candidate]:
    return [Candidate.from_dict(each) for each in run.candidates]


def _row(each: Candidate, *, has_ended: bool) -> CandidateRow:
    is_at_work = each.state == "works" and not has_ended
    network = NETWORKS.get(each.network)  # a later release may know it no more
    return {
        "network": each.network,
        "title": network.title if network else each.network,
        "state": each.state,
        "done": (each.done or None) if is_at_work else 1.0 if each.state == "done" else each.done,
        "figure": "" if each.accuracy is None else _("%(share)s right") % {"share": whole_percent(each.accuracy)},
        "note": _note(each, is_at_work=is_at_work),
        "is_chosen": each.is_chosen,
    }


def _note(each: Candidate, *, is_at_work: bool) -> str:
    if each.is_chosen:
        return _("chosen")
    if each.state == "left_out":
        return _("not needed") if each.network in FROM_SCRATCH else _("left out")
    if each.state == "waits":
        return _("waits")
    if is_at_work and each.seconds_left is not None:
        return _("about %(duration)s left") % {"duration": rough(each.seconds_left)}
    return ""
