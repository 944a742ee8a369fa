"""What is known of a training before it begins: its steps, its learning rates, and what a dry run measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from training.config.schedules import rates
from training.models import Job
from training.results.dry_run_result import DryRun
from training.runs.requests import RunRequest
from webapp.presenters.durations import rough
from webapp.presenters.plans import Plan
from webapp.presenters.setting_names import NETWORKS, in_words

DRAWN_POINTS = 200  # at most, of the learning rate's curve
DRAWN_STEPS = 20_000  # at most, from which they are taken: the shape does not depend on the number of steps
TABLE_ROWS = 12  # at most, of the same curve in figures


@dataclass(frozen=True)
class Estimate:
    """A request for a run on the pictures there are; `job` is its dry run, where one was asked for."""

    request: RunRequest
    plan: Plan
    job: Job | None = None

    @property
    def is_measured(self) -> bool:
        return self.job is not None and self.job.state == Job.State.DONE

    @property
    def is_measuring(self) -> bool:
        return self.job is not None and not self.job.has_ended

    @property
    def steps(self) -> str:
        """How many there are, in words."""
        each = self.plan.steps_per_epoch(self.request.config)
        return _("%(each)d an epoch, %(all)d in all") % {"each": each, "all": each * self.request.config.epochs}

    @property
    def expected(self) -> str:
        """How long it should take, or that it is not known."""
        if self.job is None:
            return _("not measured yet")
        if self.job.state == Job.State.QUEUED:
            return _("waits to be measured …")
        if self.is_measuring:
            return _("being measured …")
        if self._measured is None:
            return _("could not be measured")
        return _("about %(duration)s on %(device)s") % {
            "duration": rough(self._measured.seconds_of(self.request.preset)),
            "device": self._measured.device,
        }

    @property
    def time(self) -> str:
        """The same as the card of a preset says it; empty where nothing is known."""
        if self.is_measuring:
            return _("measuring its time …")
        return about(self._measured.seconds_of(self.request.preset)) if self._measured else ""

    @property
    def times(self) -> dict[str, str]:
        """The same of each preset, where all were measured at once."""
        return {name: about(seconds) for name, seconds in self._measured.presets.items()} if self._measured else {}

    @property
    def problem(self) -> str:
        """Why it could not be measured, or that memory will not suffice; empty where neither is known."""
        batch_size = self.request.config.batch_size
        if self._measured and self._measured.largest_batch < batch_size:
            return _(
                "The batch size is %(size)d, but only about %(count)d pictures at a time fit in memory. "
                "Make it smaller in the settings."
            ) % {"size": batch_size, "count": self._measured.largest_batch}
        return in_words(self.job.error) if self.job is not None else ""

    @property
    def largest_batch(self) -> str:
        """How many pictures a step may have before memory runs out, in words."""
        if self._measured is None:
            return "–"
        count = self._measured.largest_batch
        return ngettext("%(count)d picture", "%(count)d pictures", count) % {"count": count}

    @cached_property
    def _measured(self) -> DryRun | None:
        return DryRun.from_dict(self.job.result) if self.job is not None and self.is_measured else None

    @property
    def stands_for(self) -> str:
        """Which network the figures are of where one is still to be chosen; empty where it is."""
        if not self.request.is_network_open:
            return ""
        network = NETWORKS[self.request.config.network].title
        return _("These are the figures of %(network)s; another network may be chosen.") % {"network": network}

    @cached_property
    def curve(self) -> list[tuple[float, float]]:
        """Epochs done, as a fraction, and the learning rate then."""
        config = self.request.config
        steps = max(1, min(self.plan.steps_per_epoch(config), DRAWN_STEPS // config.epochs))
        values = rates(config, steps)
        return [(at / steps, values[at]) for at in _spread(len(values), DRAWN_POINTS)]

    @property
    def curve_in_figures(self) -> list[tuple[str, str]]:
        rows = [self.curve[at] for at in _spread(len(self.curve), TABLE_ROWS)]
        return [(number_format(round(epoch, 1), decimal_pos=1), f"{rate:.2e}") for epoch, rate in rows]

    @property
    def about_the_curve(self) -> str:
        """What the drawing cannot show."""
        if self.request.config.schedule == "plateau":
            return _("It falls whenever the loss on pictures to choose by has stopped falling; nobody knows yet when.")
        return ""

    def to_json(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "expected": self.expected,
            "time": self.time,
            "times": self.times,
            "problem": self.problem,
            "largest_batch": self.largest_batch,
            "stands_for": self.stands_for,
            "about_the_curve": self.about_the_curve,
            "is_measuring": self.is_measuring,
            "is_measured": self.is_measured,
            "epochs": self.request.config.epochs,
            "figures": self.curve_in_figures,
            "curve": [{"x": round(epoch, 4), "y": rate} for epoch, rate in self.curve],
        }


def about(seconds: float) -> str:
    """How long something should take."""
    return _("about %(duration)s") % {"duration": rough(seconds)}


def _spread(count: int, wanted: int) -> list[int]:
    """Up to so many places of `count`, evenly spread, with the first and the last."""
    if count <= wanted:
        return list(range(count))
    return [round(place * (count - 1) / (wanted - 1)) for place in range(wanted)]
