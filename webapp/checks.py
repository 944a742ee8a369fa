"""What `manage.py check` looks at beyond Django's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from webapp.operations.embedded_redis import server_program
from webapp.trusted_proxies import names_proxies


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


@register()
def the_proxies_are_named(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Behind HTTPS stands a proxy; unnamed, anybody may claim to be it, and all its visitors count as one address."""
    if not settings.ENVIRONMENT.https or names_proxies():
        return []
    sentence = (
        "HTTPS is true and TRUSTED_PROXIES is empty: X-Forwarded-Proto is believed from anybody, and all who come "
        "through your proxy count as one address."
    )
    hint = "Set TRUSTED_PROXIES to the proxy's address, such as 127.0.0.1, or to unix where it uses a Unix socket."
    return [Warning(sentence, hint=hint, id="discern.W001")]
