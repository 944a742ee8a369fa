"""Why a version is published or taken back."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from training.models import Activation
from webapp.forms.looks import WithLooks

MAX_REASON: int = Activation._meta.get_field("reason").max_length or 0


class InUseForm(WithLooks, forms.Form):
    """Knows which version answered when the page was made, so that nothing is done on top of what another did."""

    in_use = forms.IntegerField(required=False, widget=forms.HiddenInput)


class PublishForm(InUseForm):
    reason = forms.CharField(label=_("Why you publish it (optional)"), max_length=MAX_REASON, required=False)


class RollBackForm(InUseForm):
    reason = forms.CharField(
        label=_("Reason"),
        max_length=MAX_REASON,
        error_messages={"required": _("Say why, so that the next person understands.")},
    )
