"""Signing in, and changing one's own password. Every password that is asked for is checked through webapp/logins.py."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from webapp.devices import remember_device
from webapp.forms.account import ChangePasswordForm, SignInForm
from webapp.logins import refuse_if_spent


class SignIn(auth_views.LoginView):
    template_name = "accounts/login.html"
    authentication_form = SignInForm

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        remember_device(response, form.get_user().get_username())
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        if username := form.cleaned_data.get("username"):
            refuse_if_spent(self.request, username)
        return super().form_invalid(form)


class ChangePassword(auth_views.PasswordChangeView):
    """This session goes on, all others of the account end."""

    template_name = "accounts/password.html"
    form_class = ChangePasswordForm
    success_url = reverse_lazy("password-change")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: ChangePasswordForm) -> HttpResponse:
        response = super().form_valid(form)
        messages.success(self.request, _("Your password is changed. You have been signed out everywhere else."))
        return response

    def form_invalid(self, form: ChangePasswordForm) -> HttpResponse:
        if "old_password" in form.errors:
            refuse_if_spent(self.request, form.user.get_username())
        return super().form_invalid(form)


@never_cache
def sign_in_for_admin(request: HttpRequest) -> HttpResponse:
    """Where Django's admin sends whoever it does not know. Raises: PermissionDenied for accounts that are not staff."""
    target = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = reverse("admin:index")
    if not request.user.is_authenticated:
        return redirect_to_login(target)
    if not request.user.is_staff:
        raise PermissionDenied
    return redirect(target)
