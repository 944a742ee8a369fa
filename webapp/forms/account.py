"""Signing in, and what somebody signed in may change about the own account."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.password_validation import password_validators_help_texts
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from webapp.forms.looks import WithLooks


class SignInForm(AuthenticationForm):
    """A name longer than any account's is not looked at: the record of logins has no room for it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = cast(forms.CharField, self.fields["username"])  # Django has it limited in the browser alone
        name.validators.append(MaxLengthValidator(cast(int, name.max_length)))


class ChangePasswordForm(WithLooks, PasswordChangeForm):
    """The old password, and the new one twice; Django's validators say what is wrong with that."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        self.request = request
        super().__init__(*args, **kwargs)
        self.fields["old_password"].label = _("Your password until now")
        self.fields["new_password1"].label = _("New password")
        self.fields["new_password1"].help_text = " ".join(password_validators_help_texts())
        self.fields["new_password2"].label = _("New password again")
        self.fields["new_password2"].help_text = ""

    def clean_old_password(self) -> str:
        """Raises: Refused where the password may not be looked at now."""
        given = str(self.cleaned_data["old_password"])
        if authenticate(self.request, username=self.user.get_username(), password=given) != self.user:
            raise forms.ValidationError(_("This is not the password you have signed in with. Type it again."))
        return given
