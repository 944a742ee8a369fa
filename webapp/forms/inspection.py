"""Which picture a version is looked inside with: one of the recognizer's, or one that is sent along."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from training.data.decoders import ingest
from training.data.images import Ingested
from training.errors import NoDecoder, UnreadablePicture
from training.models import Picture, Recognizer
from webapp.forms.looks import WithLooks
from webapp.forms.pictures import ACCEPTED

NOTHING_CHOSEN = _("There is no picture. Choose one of these or send one of your own.")


class InspectionForm(WithLooks, forms.Form):
    """`chosen` is the picture once the form is valid; where both are there, the one that was sent."""

    picture = forms.ModelChoiceField(
        Picture.objects.none(),
        required=False,
        error_messages={"invalid_choice": _("This picture has been deleted meanwhile. Choose another one.")},
    )
    file = forms.FileField(
        label=_("A picture of your own"),
        max_length=255,
        required=False,
        widget=forms.FileInput({"accept": ACCEPTED}),
        error_messages={"empty": NOTHING_CHOSEN},
    )

    def __init__(self, *args: Any, recognizer: Recognizer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["picture"].queryset = recognizer.pictures.all()  # type: ignore[attr-defined]

    def clean_file(self) -> Ingested | None:
        upload = self.cleaned_data["file"]
        if not upload:
            return None
        try:
            return ingest(upload)
        except (UnreadablePicture, NoDecoder) as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> None:
        if not self.errors and self.chosen is None:
            raise forms.ValidationError(NOTHING_CHOSEN)

    @property
    def chosen(self) -> Picture | Ingested | None:
        found: Picture | Ingested | None = self.cleaned_data["file"] or self.cleaned_data["picture"]
        return found
