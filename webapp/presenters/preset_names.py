"""Presets as the pages call them."""

from __future__ import annotations

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from training.config import TrainingConfig
from training.config.presets import BALANCED, HELP, QUICK, THOROUGH

PRESETS = {QUICK: _("Quick"), BALANCED: _("Balanced"), THOROUGH: _("Thorough")}

PURPOSES = {
    QUICK: _("Good enough to try"),
    BALANCED: _("What most want"),
    THOROUGH: _("Mostly a point or two better"),
}


def what_it_does(preset: str, config: TrainingConfig) -> str:
    """A sentence on a preset, as its settings for some network mean it."""
    if config.learns_only_its_last_layer:
        return gettext(HELP[QUICK])
    if config.is_fine_tuned:
        return gettext(HELP[preset])
    said = ngettext(
        "The whole network learns from nothing, in %(count)d epoch.",
        "The whole network learns from nothing, in %(count)d epochs.",
        config.epochs,
    )
    return said % {"count": config.epochs}
