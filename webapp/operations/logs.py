"""How log lines look: plain for a person, or with LOG_FORMAT=json one JSON object a line for what collects them."""

from __future__ import annotations

import logging
import sys
import threading
from logging.config import dictConfig
from types import TracebackType
from typing import Any

FORMATS = ("plain", "json")
FORMATTERS: dict[str, dict[str, Any]] = {
    "plain": {"format": "{levelname} {name}: {message}", "style": "{"},
    "json": {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "fmt": ["levelname", "name", "message"],
        "timestamp": "time",  # ISO 8601 in UTC
        "rename_fields": {"levelname": "level", "name": "logger", "exc_info": "exception"},
    },
}
# These bring a handler of their own; where ours is there already they leave it at that.
OWN_HANDLERS = ("celery.task", "multiprocessing", "django.server")

log = logging.getLogger(__name__)


def logging_config(log_format: str) -> dict[str, Any]:
    """Django's LOGGING."""
    loggers: dict[str, dict[str, Any]] = {"axes": {"level": "WARNING"}}
    if log_format == "json":
        loggers["django"] = {"level": "INFO"}  # without the plain handler that it has while DEBUG is on
        loggers |= {name: {"handlers": ["console"], "propagate": False} for name in OWN_HANDLERS}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": FORMATTERS[log_format]},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
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
