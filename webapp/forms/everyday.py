"""A recognizer of one's own that begins with some labels of one that knows ImageNet's classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from training.models import Recognizer
from webapp.forms.looks import WithLooks
from webapp.forms.recognizers import BOTH_NAMES, SLUG_ERRORS, check_slug

MIN_KEPT = 2


class KeepForm(WithLooks, forms.ModelForm):  # type: ignore[type-arg]  # only the stubs know its argument
    """Which labels to begin with, and what to call the recognizer.

    Args:
        names: of the labels that can be kept, by their keys.
    """

    class Meta:
        model = Recognizer
        fields = ("name_en", "name_zh", "slug")
        field_classes = BOTH_NAMES
        error_messages = {"slug": SLUG_ERRORS}

    kept = forms.MultipleChoiceField(
        label=_("What it knows"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": _("Nothing is chosen. Choose at least two."),
            "invalid_choice": _("“%(value)s” is not among them any more. Choose again."),
        },
    )

    def __init__(self, *args: Any, names: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = sorted(names.items(), key=lambda each: each[1].casefold())
        cast(forms.MultipleChoiceField, self.fields["kept"]).choices = choices

    def clean_slug(self) -> str:
        return check_slug(self.cleaned_data["slug"])

    def clean_kept(self) -> list[str]:
        kept: list[str] = self.cleaned_data["kept"]
        if len(set(kept)) < MIN_KEPT:
            raise forms.ValidationError(
                _("One is chosen. With a single label every answer would be that one: choose another.")
            )
        return kept
