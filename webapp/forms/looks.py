"""What every form's fields have in common on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

if TYPE_CHECKING:
    Base = forms.BaseForm
else:
    Base = object

CSS: dict[type, str] = {
    forms.CheckboxInput: "form-check-input",
    forms.CheckboxSelectMultiple: "form-check-input",
    forms.Select: "form-select",
    forms.NullBooleanSelect: "form-select",
}


class WithLooks(Base):
    """Gives each field Bootstrap's class; `forms/_field.html` does the rest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            dress(field)


def dress(field: forms.Field) -> forms.Field:
    field.widget.attrs["class"] = CSS.get(type(field.widget), "form-control")
    return field


def sentences(form: forms.BaseForm) -> list[str]:
    """All that is wrong with a form, in one list."""
    return [str(sentence) for found in form.errors.values() for sentence in found]
