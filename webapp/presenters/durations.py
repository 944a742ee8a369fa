"""Lengths of time as a person says them."""

from __future__ import annotations

from django.utils.translation import gettext as _


def duration(length: float) -> str:
    """A number of seconds in the two largest units."""
    seconds = round(length)
    minutes, hours = seconds // 60, seconds // 3600
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes % 60}
    if minutes:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": seconds % 60}
    return _("%(seconds)d s") % {"seconds": seconds}


def rough(length: float) -> str:
    """A number of seconds as it is foretold: no more exactly than it can be known."""
    if length < 55:
        return duration(max(10, round(length, -1)))
    minutes = round(length / 60)
    if minutes < 90:
        return _("%(minutes)d min") % {"minutes": minutes}
    return duration(600 * round(minutes / 10))


def clock(length: float) -> str:
    """A number of seconds as a stopwatch shows it; follow.js counts on."""
    seconds = max(0, int(length))
    minutes, hours = seconds // 60, seconds // 3600
    return f"{hours}:{minutes % 60:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"
