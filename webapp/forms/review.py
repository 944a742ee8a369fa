"""What a person says of a picture that the review has listed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models.enums import TextChoices

from training.models import Label, Picture
from webapp.forms.looks import WithLooks


class Verdict(TextChoices):
    RIGHT = "right"
    MOVE = "move"
    DELETE = "delete"


class JudgementForm(WithLooks, forms.Form):
    """Its label is right, or it is another, or the picture goes."""

    verdict = forms.ChoiceField(choices=Verdict.choices)
    label = forms.ModelChoiceField(Label.objects.none(), required=False)

    def __init__(self, *args: Any, picture: Picture, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.picture = picture
        self.fields["label"].queryset = picture.recognizer.labels.all()  # type: ignore[attr-defined]

    def clean(self) -> None:
        if self.cleaned_data.get("verdict") == Verdict.MOVE and not self.cleaned_data.get("label"):
            self.add_error("label", forms.Field.default_error_messages["required"])

    def carry_out(self) -> None:
        """Do to the picture what the form says."""
        verdict = self.cleaned_data["verdict"]
        if verdict == Verdict.DELETE:
            self.picture.remove()
        elif verdict == Verdict.MOVE:
            self.picture.confirm(self.cleaned_data["label"])
        else:
            self.picture.confirm(self.picture.label)
