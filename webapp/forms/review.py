"""What a person says of a picture that the review has listed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models.enums import TextChoices
from django.utils.translation import gettext_lazy as _

from training.models import Label, Picture
from webapp.forms.looks import WithLooks
from webapp.opened import Opened


class Verdict(TextChoices):
    RIGHT = "right"
    MOVE = "move"
    DELETE = "delete"


class JudgementForm(WithLooks, forms.Form):
    """Its label is right, or it is another, or the picture goes."""

    verdict = forms.ChoiceField(choices=Verdict.choices)
    label = forms.ModelChoiceField(
        Label.objects.none(),
        required=False,
        error_messages={"invalid_choice": _("This label was deleted meanwhile. Choose another.")},
    )

    def __init__(self, *args: Any, picture: Picture, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.picture = picture
        self.opened = Opened.read(self.data, picture)
        self.fields["label"].queryset = picture.recognizer.labels.all()  # type: ignore[attr-defined]

    def clean(self) -> None:
        is_label_missing = self.cleaned_data.get("verdict") == Verdict.MOVE and not self.cleaned_data.get("label")
        if is_label_missing and not self.errors:
            self.add_error("label", _("Say which label the picture has, or that it is right."))

    def carry_out(self, by: User) -> bool:
        """Do to the picture what the form says. Returns: False where another has said something else meanwhile."""
        verdict, opened = self.cleaned_data["verdict"], self.opened.values
        if verdict == Verdict.DELETE:
            return self.picture.remove(opened)
        label_id = self.cleaned_data["label"].pk if verdict == Verdict.MOVE else opened["label_id"]
        return self.picture.confirm(label_id, by, opened)
