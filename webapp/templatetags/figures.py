"""Figures as a person reads them."""

from __future__ import annotations

from datetime import timedelta

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from training.models import ModelVersion, TrainingRun
from webapp.presenters.durations import clock, duration
from webapp.presenters.setting_names import NETWORKS, in_words
from webapp.presenters.shares import whole_percent

register = template.Library()
register.filter(in_words)
register.filter(duration)
register.filter(clock)
register.filter(whole_percent)


@register.filter
def percent(share: float) -> str:
    """0.974 -> 97.4 %; rounded first, because number_format only cuts off."""
    return f"{number_format(round(100 * share, 1), decimal_pos=1)}\N{NO-BREAK SPACE}%"


@register.filter
def accuracy(version: ModelVersion) -> str:
    """Of a version on pictures that it never saw, or that there were none."""
    share = version.test_accuracy
    return _("not measured") if share is None else percent(share)


@register.filter
def network_of(run: TrainingRun) -> str:
    """The name of the network it trains, as people write it."""
    if run.is_network_open:
        return _("not chosen yet")
    return NETWORKS[run.config["network"]].title


@register.filter
def duration_of(run: TrainingRun) -> str:
    """How long a run that has ended took, in the two largest units; empty where it never began."""
    if run.started_at is None or run.ended_at is None:
        return ""
    return duration((run.ended_at - run.started_at).total_seconds())


@register.filter
def minutes(length: timedelta) -> int:
    """Whole minutes, rounded up."""
    return -(-length // timedelta(minutes=1))
