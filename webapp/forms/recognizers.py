"""A recognizer and its labels, as staff write them down."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from training.data.names import same_name, tidied
from training.models import Label, Recognizer
from webapp.forms.editing import EditingForm
from webapp.forms.looks import WithLooks

TAKEN_ADDRESSES = frozenset({"new", "runs"})  # pages of the dashboard itself
MIRRORED = [("unknown", _("not said")), ("true", _("yes")), ("false", _("no"))]
SHARES = ("validation_share", "test_share")


class NameField(forms.CharField):
    """A name in the form in which it is kept: what cannot be seen in it makes no other name."""

    def to_python(self, value: Any) -> str:
        return tidied(super().to_python(value) or "")


BOTH_NAMES = {"name_en": NameField, "name_zh": NameField}


# Django's own speak of underscores and of a "Recognizer"
SLUG_ERRORS = {
    "invalid": _("Use lower-case letters, digits and hyphens."),
    "unique": _("Another recognizer has this address. Choose another."),
}


class RecognizerForm(EditingForm):
    class Meta:
        model = Recognizer
        fields = Recognizer.EDITED
        field_classes = BOTH_NAMES
        widgets = {
            "description_en": forms.Textarea({"rows": 2}),
            "description_zh": forms.Textarea({"rows": 2}),
            "is_mirror_safe": forms.NullBooleanSelect,
            **dict.fromkeys(SHARES, forms.NumberInput({"min": 0.05, "max": 0.3, "step": "any"})),
        }
        error_messages = {"slug": SLUG_ERRORS}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["is_mirror_safe"].widget.choices = MIRRORED
        for name in SHARES:
            self.fields[name].required = False  # who leaves one out keeps it as it is

    def clean_validation_share(self) -> float:
        return self._share("validation_share")

    def clean_test_share(self) -> float:
        return self._share("test_share")

    def _share(self, name: str) -> float:
        given: float | None = self.cleaned_data[name]
        return getattr(self.instance, name) if given is None else given

    def clean_slug(self) -> str:
        return check_slug(self.cleaned_data["slug"])


def check_slug(slug: str) -> str:
    """Raises: ValidationError if a page of the dashboard has the address."""
    if slug in TAKEN_ADDRESSES:
        raise forms.ValidationError(_("This address is taken by the site itself. Choose another."))
    return slug


class DeletionForm(WithLooks, forms.Form):
    """The address of a recognizer, typed so that nobody deletes another one than was meant."""

    address = forms.CharField(
        label=_("Its address, to be sure"),
        widget=forms.TextInput({"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, recognizer: Recognizer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slug = recognizer.slug
        self.fields["address"].help_text = _("Type “%(slug)s”.") % {"slug": recognizer.slug}

    def clean_address(self) -> str:
        address: str = self.cleaned_data["address"]
        if address != self.slug:
            raise forms.ValidationError(_("This is not its address. Nothing was deleted."))
        return address


class LabelNamesForm(EditingForm):
    """The names of a label; its key stays, for versions and class folders go by it."""

    class Meta:
        model = Label
        fields = Label.EDITED
        field_classes = BOTH_NAMES


class LabelForm(WithLooks, forms.ModelForm):  # type: ignore[type-arg]  # only the stubs know its argument
    """A new label of a recognizer."""

    class Meta:
        model = Label
        fields = ["key", "name_en", "name_zh"]
        field_classes = {"key": NameField, **BOTH_NAMES}
        help_texts = {"key": _("The class folder's name in a zip. It cannot be changed later.")}

    def __init__(self, *args: Any, recognizer: Recognizer, **kwargs: Any) -> None:
        super().__init__(*args, instance=Label(recognizer=recognizer), **kwargs)

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        if same_name(key, self.instance.recognizer.labels.values_list("key", flat=True)) is not None:
            raise forms.ValidationError(_("There is a label of that name already."))
        return check_key(key)


def check_key(key: str) -> str:
    """A key has to work as a folder's name. Raises: ValidationError."""
    if "/" in key or "\\" in key or key.startswith("."):
        raise forms.ValidationError(
            _("A name has no slashes and does not begin with a dot: folders are named after it.")
        )
    return key
