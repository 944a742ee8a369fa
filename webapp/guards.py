"""Who may open a view."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

P = ParamSpec("P")


class StaffRequest(HttpRequest):
    """A request that has passed `staff_required`: its user is a row."""

    user: User


def staff_required(
    view: Callable[Concatenate[StaffRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Let only staff in: a visitor is asked to sign in, somebody signed in without the right is refused."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            # Who has to sign in before a POST cannot come back to it with a GET, so the dashboard follows.
            return redirect_to_login(request.get_full_path() if request.method == "GET" else "")
        if not request.user.is_staff:
            raise PermissionDenied
        return view(cast(StaffRequest, request), *args, **kwargs)

    return guarded
