"""The REST API, described at /api/v1/docs: anyone may classify, staff may train. Errors are {"detail": "sentence"}."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from functools import wraps
from typing import Annotated, Any

from django.core.exceptions import SuspiciousOperation
from django.db import transaction
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Body, File, NinjaAPI, Query, Schema, Status
from ninja.decorators import decorate_view
from ninja.errors import AuthenticationError, AuthorizationError, ValidationError
from ninja.files import UploadedFile
from ninja.security import SessionAuth
from pydantic import Field

from classifier.models import Prediction
from training.config import TrainingConfig
from training.config.presets import PRESETS
from training.errors import WrongConfig
from training.evaluation.comparison import Verdict
from training.messages import N_, UserFacingError
from training.models import ModelVersion, Recognizer, TrainingRun
from training.runs.requests import RunRequest
from webapp.answering import answer_upload, is_oversized, status_of, with_retry
from webapp.errors import NoPicture, TooLarge
from webapp.guards import StaffRequest
from webapp.operations.prometheus import count_refusal
from webapp.presenters.version_figures import figures_json
from webapp.rates import counted


class StaffSession(SessionAuth):
    """Somebody signed in on the site; a request that changes something needs the X-CSRFToken header."""

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        user = super().authenticate(request, key)
        if user and not user.is_staff:
            raise AuthorizationError(message=_("Your account may not do this."))
        return user


# What says nothing else is for staff.
api = NinjaAPI(
    title="Discern 识别",
    version="1",
    description="What is in the picture?",
    urls_namespace="api",
    auth=[StaffSession()],
)


# --- what goes in and out
class Refusal(Schema):
    detail: str


class LabelOut(Schema):
    key: str
    name: str


class RecognizerOut(Schema):
    slug: str
    name: str
    description: str
    labels: list[LabelOut]
    version: int

    @staticmethod
    def resolve_labels(recognizer: Recognizer) -> list[Any]:
        return list(recognizer.labels.all())

    @staticmethod
    def resolve_version(recognizer: Any) -> int:
        return int(recognizer.published[0].number)


class ScoreOut(Schema):
    label: str
    name: str
    probability: float


class AnswerOut(Schema):
    recognizer: str
    version: int
    label: str
    scores: list[ScoreOut]


class EpochOut(Schema):
    number: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    pictures_per_second: float
    seconds: float


class RunOut(Schema):
    id: int
    recognizer: str
    state: str
    error: str
    config: dict[str, Any]
    preset: str  # that the config began from; empty where it began from none
    is_network_open: bool  # network and settings are still to be chosen
    choice: str  # why that network
    environment: dict[str, Any]  # library versions, device and revision of the code, once it has begun
    publish_when_done: bool
    needs_gpu: bool
    attempts: int
    resumed_from: int  # epochs that the latest attempt found done
    interruption: str  # why the attempt before it was cut off
    can_go_on: bool  # it failed, but what it had learned is kept
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    expected_end: datetime | None
    num_epochs: int
    epochs_done: int
    epochs: list[EpochOut]
    version: int | None  # number of the version it made

    @staticmethod
    def resolve_recognizer(run: TrainingRun) -> str:
        return run.recognizer.slug

    @staticmethod
    def resolve_expected_end(run: TrainingRun) -> datetime | None:
        return run.expected_end()

    @staticmethod
    def resolve_epochs(run: TrainingRun) -> list[Any]:
        return list(run.epochs.all())

    @staticmethod
    def resolve_version(run: TrainingRun) -> int | None:
        return run.made.number if run.made else None


class SideOut(Schema):
    accuracy: float
    interval: tuple[float, float]  # 95 %
    calibration_error: float


class ClassChangeOut(Schema):
    name: str
    pictures: int
    recall_a: float
    recall_b: float


class ComparisonOut(Schema):
    verdict: Verdict
    pictures: int
    left_out: int
    a: SideOut
    b: SideOut
    difference: float
    interval: tuple[float, float]  # of the difference, 95 %
    only_a_right: int
    only_b_right: int
    p_value: float
    classes: list[ClassChangeOut]


Top = Annotated[int, Field(ge=1)] | None  # of the scores

RUN_OPTIONS = ("publish_when_done", "needs_gpu")  # beside the settings


def settings_schema() -> dict[str, Any]:
    """The training settings as OpenAPI shows them; TrainingConfig says what each means and may be."""
    limits = ("minimum", "maximum")
    properties: dict[str, Any] = {
        each.name: {"description": each.metadata["help"], "default": each.default}
        | {name: each.metadata[name] for name in limits if each.metadata[name] is not None}
        | ({"enum": list(each.metadata["choices"])} if each.metadata["choices"] else {})
        for each in fields(TrainingConfig)
    }
    properties |= {name: {"type": "boolean", "default": False} for name in RUN_OPTIONS}
    properties["preset"] = {
        "description": "How thoroughly; without a network, one is chosen with its settings.",
        "enum": ["", *PRESETS],
        "default": "",
    }
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


def small_enough(run: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuse what is far too large before its body is read."""

    @wraps(run)
    def checked(request: HttpRequest, **parameters: Any) -> HttpResponse:
        if is_oversized(request):
            count_refusal(TooLarge(), Prediction.Source.API)
            return refuse(request, TooLarge())
        return run(request, **parameters)

    return checked


# --- for anyone
@api.get("/recognizers", auth=None, response=list[RecognizerOut], summary="What can be recognized here")
def recognizers(request: HttpRequest) -> Any:
    published = Prefetch("versions", ModelVersion.objects.filter(is_active=True), to_attr="published")
    return Recognizer.objects.open_to_visitors().prefetch_related("labels", published)


@api.post(
    "/recognizers/{slug}/classify",
    auth=None,
    response={200: AnswerOut, frozenset({400, 404, 409, 413, 429, 503}): Refusal},
    summary="Classify one picture",
)
@decorate_view(small_enough, counted("answers"))
def classify(request: HttpRequest, slug: str, file: File[UploadedFile], top: Query[Top] = None) -> Any:
    """Answers one JPEG, PNG or WebP picture, of at most 10 MB where the site sets no other limit.

    Every class is scored, the most probable first; with `top` only so many of them.

    Names come in the language of Accept-Language (en, zh-hans). 400: no picture we can read; 404: no such recognizer;
    409: no version of it is published yet; 413: too large; 429: too often, and Retry-After says when again; 503: its
    version cannot be opened right now.
    """
    recognizer = get_object_or_404(Recognizer, slug=slug, is_public=True)
    answer = answer_upload(recognizer, file, Prediction.Source.API)
    return {
        "recognizer": recognizer.slug,
        "version": answer.version.number,
        "label": answer.best.label,
        "scores": answer.named(recognizer.label_names())[:top],
    }


# --- for staff
@api.post(
    "/recognizers/{slug}/runs",
    response={201: RunOut, frozenset({400, 401, 403, 404}): Refusal},
    summary="Start a training run",
    openapi_extra=settings_schema(),
)
def start_run(request: StaffRequest, slug: str, settings: Body[dict[str, Any]]) -> Any:
    """What is left out takes the preset's value, or without a preset the network's own default.

    With a preset and no network, one is chosen before the training. With `needs_gpu` the run waits for a worker that
    has a GPU.
    """
    recognizer = get_object_or_404(Recognizer, slug=slug)
    options = {name: settings.pop(name, False) for name in RUN_OPTIONS}
    for name, value in options.items():
        if not isinstance(value, bool):
            raise WrongConfig(N_("%(name)s must be true or false."), name=name)
    preset, network = str(settings.pop("preset", "")), str(settings.pop("network", ""))
    asked = RunRequest.of(recognizer, preset=preset, network=network, settings=settings)
    run = recognizer.runs.create(**asked.values(), started_by=request.user, **options)
    transaction.on_commit(run.nudge)
    return Status(201, run)


@api.get(
    "/runs/{int:pk}",
    response={200: RunOut, frozenset({401, 403, 404}): Refusal},
    summary="How a training run goes",
)
def show_run(request: HttpRequest, pk: int) -> Any:
    return get_object_or_404(TrainingRun.objects.select_related("recognizer", "version"), pk=pk)


@api.post(
    "/runs/{int:pk}/go-on",
    response={200: RunOut, frozenset({401, 403, 404, 409}): Refusal},
    summary="Go on with a failed run",
)
def go_on(request: StaffRequest, pk: int) -> Any:
    """It goes on from what it had learned. 409: it has not failed, or nothing of it is kept."""
    run = show_run(request, pk)
    if not run.go_on():
        return _refusal(request, _("The run cannot go on: it has not failed, or nothing of it is kept."), 409)
    transaction.on_commit(run.nudge)
    return show_run(request, pk)


@api.delete(
    "/recognizers/{slug}",
    response={204: None, frozenset({401, 403, 404, 409}): Refusal},
    summary="Delete a recognizer with its pictures, runs, versions and answers",
)
def delete_recognizer(request: HttpRequest, slug: str) -> Any:
    """409: visitors use it, or a run of it waits or works."""
    get_object_or_404(Recognizer, slug=slug).remove()
    return Status(204, None)


@api.get(
    "/recognizers/{slug}/versions/{int:number}/evaluation",
    response={200: dict[str, Any], frozenset({401, 403, 404}): Refusal},
    summary="The figures of a version",
)
def show_evaluation(request: HttpRequest, slug: str, number: int) -> Any:
    """Versions of earlier releases have fewer: the others are null or empty.

    So are all of a version that was made without pictures; `detail` says so then.
    """
    return figures_json(get_object_or_404(ModelVersion, recognizer__slug=slug, number=number))


@api.get(
    "/recognizers/{slug}/compare",
    response={200: ComparisonOut, frozenset({400, 401, 403, 404, 409}): Refusal},
    summary="Compare two versions on the same pictures",
)
def compare_versions(request: HttpRequest, slug: str, a: int, b: int) -> Any:
    """On the pictures that neither ever saw and both have answers for. A difference above 0 speaks for `b`; its verdict
    is better or worse only where that is more than luck (McNemar's p below 0.05). 409: they share no picture."""
    first, second = (get_object_or_404(ModelVersion, recognizer__slug=slug, number=number) for number in (a, b))
    return second.against(first)


@api.delete(
    "/recognizers/{slug}/versions/{int:number}",
    response={204: None, frozenset({401, 403, 404, 409}): Refusal},
    summary="Delete a version with its files and answers",
)
def delete_version(request: HttpRequest, slug: str, number: int) -> Any:
    """Its run stays. 409: it is in use."""
    get_object_or_404(ModelVersion, recognizer__slug=slug, number=number).remove()
    return Status(204, None)


# --- refusals
@api.exception_handler(UserFacingError)
def refuse(request: HttpRequest, error: UserFacingError) -> HttpResponse:
    return with_retry(_refusal(request, str(error), status_of(error)))


@api.exception_handler(ValidationError)
def refuse_parameters(request: HttpRequest, error: ValidationError) -> HttpResponse:
    if any(each["loc"][0] == "file" for each in error.errors):
        count_refusal(NoPicture(), Prediction.Source.API)
        return refuse(request, NoPicture())
    return _refusal(request, "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors), 400)


@api.exception_handler(MultiPartParserError)
@api.exception_handler(SuspiciousOperation)
def refuse_body(request: HttpRequest, error: Exception) -> HttpResponse:
    return _refusal(request, _("The request is incomplete or malformed."), 400)


@api.exception_handler(Http404)
def refuse_address(request: HttpRequest, error: Http404) -> HttpResponse:
    return _refusal(request, _("There is nothing at this address."), 404)


@api.exception_handler(AuthenticationError)
def refuse_visitor(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return _refusal(request, _("Sign in first."), 401)


def _refusal(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
    return api.create_response(request, {"detail": sentence}, status=status)


api.add_router("", "webapp.api_searches.router")  # by name, because it wants what is above
