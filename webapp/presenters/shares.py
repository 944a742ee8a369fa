"""Shares as a person says them: 86 % in tables, 86 of 100 in sentences, never 100 % of few."""

from __future__ import annotations

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def whole_percent(share: float) -> str:
    """0.86 -> 86 %; a tenth more exactly where it would be rounded to all or to none."""
    is_nearly_all_or_none = 0 < share < 0.005 or 0.995 <= share < 1
    shown = round(100 * share, 1) if is_nearly_all_or_none else round(100 * share)
    return f"{number_format(min(shown, 99.9) if share < 1 else shown)}\N{NO-BREAK SPACE}%"


def of_all(count: int, total: int) -> str:
    """14 of 20; all 20; 1 of 1."""
    if count == total > 1:
        return _("all %(total)d") % {"total": total}
    return _("%(count)d of %(total)d") % {"count": count, "total": total}


def points(difference: float) -> str:
    """0.07 -> 7 points, of a difference without its sign; less than one to a tenth."""
    shown = 100 * abs(difference)
    if round(shown) < 1:
        return _("%(points)s points") % {"points": number_format(max(0.1, round(shown, 1)), decimal_pos=1)}
    count = round(shown)
    return ngettext("%(count)d point", "%(count)d points", count) % {"count": count}
