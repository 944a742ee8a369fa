"""How log lines look: plain for a person, or with LOG_FORMAT=json one JSON object a line for what collects them.

What strangers send lands in log lines, so none can begin a line of its own, move a terminal's cursor or turn the text
around, whoever wrote the message. A refused request is one line; tracebacks are for errors of ours.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from copy import copy
from logging.config import dictConfig
from types import TracebackType
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from pythonjsonlogger.json import JsonFormatter

FORMATS = ("plain", "json")
FORMATTERS: dict[str, dict[str, Any]] = {
    "plain": {"()": "webapp.operations.logs.PlainLine", "format": "{levelname} {name}: {message}", "style": "{"},
    "json": {
        "()": "webapp.operations.logs.JsonLine",
        "fmt": ["levelname", "name", "message"],
        "timestamp": "time",  # ISO 8601 in UTC
        "rename_fields": {"levelname": "level", "name": "logger", "exc_info": "exception"},
    },
}
# These bring a handler of their own; where ours is there already they leave it at that.
OWN_HANDLERS = ("celery.task", "multiprocessing", "django.server")
REFUSED = (SuspiciousOperation, BadRequest, PermissionDenied, MultiPartParserError, UnreadablePostError)
# C0 and C1 controls, what turns the direction of writing, separators of lines and paragraphs, halves of characters.
UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

log = logging.getLogger(__name__)


def escaped(text: str) -> str:
    """Without a character that acts instead of being read: a line feed becomes \\n, U+202E becomes \\u202e."""
    return UNPRINTED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def in_one_line(record: logging.LogRecord) -> logging.LogRecord:
    """The record with its message escaped, and without the traceback of a request that was refused."""
    line = copy(record)
    message = record.getMessage()
    error = record.exc_info[1] if record.exc_info else None
    is_refusal = record.name.startswith("django.") and getattr(record, "status_code", 400) < 500
    if is_refusal and isinstance(error, REFUSED):
        line.exc_info = line.exc_text = None
        message = message if str(error) in message else f"{message} ({type(error).__name__}: {error})"
    line.msg, line.args = escaped(message), None
    return line


class PlainLine(logging.Formatter):
    """A traceback is indented, so that none of its lines can be taken for another message."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(in_one_line(record))

    def formatException(self, ei: Any) -> str:
        return self._indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        return self._indented(super().formatStack(stack_info))

    def _indented(self, text: str) -> str:
        return "\n".join(f"  {escaped(line)}" for line in text.split("\n"))


class JsonLine(JsonFormatter):
    """JSON escapes what else it holds by itself."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(in_one_line(record))


class OneLineARequest(logging.Filter):
    """Django says of some refusals why (bad host, no token) and then once more that there was one."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if not isinstance(request, HttpRequest) or getattr(record, "status_code", 400) >= 500:
            return True
        was_said = getattr(request, "refusal_was_said", False)
        request.refusal_was_said = True  # type: ignore[attr-defined]
        return not was_said


def logging_config(log_format: str) -> dict[str, Any]:
    """Django's LOGGING."""
    loggers: dict[str, dict[str, Any]] = {
        "axes": {"level": "WARNING"},
        "django": {"level": "INFO"},  # without the plain handler that it has while DEBUG is on
        **{name: {"handlers": ["console"], "propagate": False} for name in OWN_HANDLERS},
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"once": {"()": "webapp.operations.logs.OneLineARequest"}},
        "formatters": {"line": FORMATTERS[log_format]},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["once"]}},
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": loggers,
    }


def configure_json(config: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG: warnings and errors that nobody caught become log lines as well."""
    dictConfig(config)
    logging.captureWarnings(True)
    sys.excepthook = log_uncaught
    threading.excepthook = log_uncaught_in_thread


def log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    log.critical("Nobody caught this %s: %s", kind.__name__, error, exc_info=(kind, error, traceback))


def log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
