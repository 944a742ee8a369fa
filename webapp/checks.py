"""What `manage.py check` looks at beyond Django's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from webapp.operations.embedded_redis import server_program


@register()
def a_redis_is_there(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """With no REDIS_URL there must be a server to start."""
    if settings.ENVIRONMENT.redis_url:
        return []
    try:
        server_program()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="discern.E001")]
    return []
