"""A form that somebody else may have open too: it writes what its person changed, and overwrites nobody unseen."""

from __future__ import annotations

from typing import Any, Self

from django import forms
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from webapp.forms.looks import WithLooks
from webapp.opened import FIELD, Meanwhile, Opened, signed


class EditingForm(WithLooks, forms.ModelForm):  # type: ignore[type-arg]  # only the stubs know its argument
    """Of a model that is `Edited`. What was not touched is left as it is now, whatever the page showed."""

    opened = forms.CharField(required=False, widget=forms.HiddenInput)
    meanwhile: Meanwhile | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = self.instance.edited()  # before validation writes into the instance
        self.as_opened = Opened.read(self.data, self.instance)
        if self.instance.pk:
            self.initial[FIELD] = signed(self.instance)

    def clean(self) -> None:
        super().clean()
        sent = self.cleaned_data
        self.untouched = [name for name, value in self.as_opened.values.items() if sent.get(name, ...) == value]
        sent.update({name: self.now[name] for name in self.untouched})

    def write(self, by: User) -> bool:
        """Write what was changed. Returns: False where another has changed the same; `overtaken()` is shown then."""
        changes = {name: self.cleaned_data[name] for name in self.now if self.cleaned_data[name] != self.now[name]}
        opened = {name: self.as_opened.values[name] for name in changes}
        try:
            with transaction.atomic():
                return not changes or self.instance.change(changes, by, opened)
        except IntegrityError:  # this very moment the address was taken, or the other language's name removed
            return False

    def overtaken(self) -> Self:
        """The same form over the row as it is now, with what was typed. Sent again, it is saved all the same.

        Raises: DoesNotExist.
        """
        row = type(self.instance)._default_manager.select_related("changed_by").get(pk=self.instance.pk)
        now = row.edited()
        typed = {**dict(self.data.items()), **{name: now[name] for name in self.untouched}, FIELD: signed(row)}
        form = type(self)(typed, instance=row)
        names = {name: form[name].label for name in now}
        form.meanwhile = Meanwhile.since(self.as_opened, row, names)
        return form
