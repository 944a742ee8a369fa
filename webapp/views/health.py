"""What watches the site asks here: whether this process answers, whether all it stands on does, and the figures."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder

from webapp.operations import prometheus, readiness
from webapp.operations.access import may_look


@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """It asks neither the database nor the broker."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 where visitors are answered, if need be without Redis; else 503. It takes at most PATIENCE_SECONDS."""
    results = readiness.look()
    status = readiness.overall(results)
    has_details = may_look(request, by_session=results["database"].status == "ok")  # a session is a row
    checks = {name: result.as_dict(with_details=has_details) for name, result in results.items()}
    return JsonResponse({"status": status, "checks": checks}, status=503 if status == "failed" else 200)


@never_cache
@require_safe
def show_metrics(request: HttpRequest) -> HttpResponse:
    if not may_look(request):
        return _refuse()
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(prometheus.registry), content_type=content_type)


def _refuse() -> HttpResponse:
    if settings.METRICS_TOKEN:
        text = "Send METRICS_TOKEN as a bearer token, or sign in as staff.\n"
        return HttpResponse(text, "text/plain", status=401, headers={"WWW-Authenticate": "Bearer"})
    text = "Ask from the machine itself, set METRICS_TOKEN and send it, or sign in as staff.\n"
    return HttpResponse(text, "text/plain", status=403)
