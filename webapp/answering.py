"""From an upload to its answer, for the page and the API alike."""

from __future__ import annotations

import logging

from django.core.files.uploadedfile import UploadedFile
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from classifier.answer import Answer
from classifier.engine import engine
from classifier.errors import EngineUnavailable, NoVersion
from training.disk import is_full
from training.errors import NoDecoder, NotComparable, StillInUse
from training.limits import MAX_UPLOAD_BYTES
from training.messages import UserFacingError
from training.models import Recognizer
from webapp.errors import NoPicture, TooLarge
from webapp.front.body_limits import PICTURE
from webapp.operations.prometheus import count_answer, count_refusal

STATUSES = {
    TooLarge: 413,
    NoVersion: 409,
    StillInUse: 409,
    NotComparable: 409,
    EngineUnavailable: 503,
    NoDecoder: 503,
}
RETRY_SECONDS = 5

log = logging.getLogger(__name__)


def answer_upload(recognizer: Recognizer, upload: UploadedFile | None, source: str) -> Answer:
    """Answer the picture from a form and keep the answer.

    Raises: UnreadablePicture (NoPicture, TooLarge), NoVersion, EngineUnavailable; `status_of` has the status.
    """
    try:
        answer = _answer(recognizer, upload)
    except UserFacingError as error:
        count_refusal(error, source)
        raise
    _record(answer, source)
    count_answer(recognizer, source, answer)
    return answer


def _record(answer: Answer, source: str) -> None:
    """Whoever asks gets the answer also where there is no room to keep it."""
    try:
        answer.record(source)
    except DatabaseError as error:
        if not is_full(error):
            raise
        log.error("No room on the disk to keep an answer: %s", error)


def _answer(recognizer: Recognizer, upload: UploadedFile | None) -> Answer:
    if upload is None:
        raise NoPicture
    if (upload.size or 0) > MAX_UPLOAD_BYTES:
        raise TooLarge
    return engine.classify(recognizer, upload.read())


def is_oversized(request: HttpRequest, limit: int = PICTURE.max_bytes) -> bool:
    """Nothing we accept makes a request of so many bytes; asked before the body is read."""
    return int(request.headers.get("Content-Length") or 0) > limit


def status_of(error: UserFacingError) -> int:
    """The HTTP status of a refusal."""
    return STATUSES.get(type(error), 400)


def with_retry(response: HttpResponse) -> HttpResponse:
    """The response; whoever was refused for the moment alone is told when to come again."""
    if response.status_code == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
