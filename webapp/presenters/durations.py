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
