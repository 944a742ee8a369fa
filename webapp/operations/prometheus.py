"""What Prometheus reads at /metrics.

Runs, imports and workers are counted in the database when they are asked for, so every host says the same. Answers and
refusals are counted by this process since it began; one process with threads serves the site (webapp/server.py), so
prometheus_client's multiprocess mode is not needed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import django.db
from django.db.models import Count, Min
from django.db.models.functions import Coalesce
from django.utils import timezone
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from classifier.answer import Answer
from training.messages import UserFacingError
from training.models import Job, PictureImport, Recognizer, TrainingRun, Worker

log = logging.getLogger(__name__)

registry = CollectorRegistry()
ProcessCollector(registry=registry)

answers = Counter("discern_answers", "Pictures answered.", ["recognizer", "source"], registry=registry)
seconds = Histogram(
    "discern_answer_seconds",
    "From a picture's bytes to its scores.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
    registry=registry,
)
refusals = Counter(
    "discern_refusals", "Pictures refused, by the class of error.", ["reason", "source"], registry=registry
)
turned_away = Counter(
    "discern_turned_away",
    "Requests that came too often or at a bad moment, by what they wanted and which count or outage refused them.",
    ["kind", "by"],
    registry=registry,
)


def count_answer(recognizer: Recognizer, source: str, answer: Answer) -> None:
    answers.labels(recognizer.slug, source).inc()
    seconds.observe(answer.milliseconds / 1000)


def count_refusal(error: UserFacingError, source: str) -> None:
    refusals.labels(type(error).__name__, source).inc()


def count_turned_away(kind: str, by: str) -> None:
    turned_away.labels(kind, by).inc()


class RowCollector(Collector):
    """What the database says; while it is away, only that."""

    def collect(self) -> Iterator[Metric]:
        try:
            families = [
                by_state("discern_runs", "Training runs.", TrainingRun),
                by_state("discern_imports", "Imports of pictures.", PictureImport),
                by_state("discern_jobs", "Reviews, inspections and dry runs of the last days.", Job),
                queue_age(),
                workers(),
            ]
        except django.db.Error as error:
            log.error("The database does not answer /metrics: %s", error)
            families = []
        yield GaugeMetricFamily("discern_database_up", "1 where the database answers.", value=bool(families))
        yield from families

    def describe(self) -> list[Metric]:
        return []  # otherwise the registry would ask for the rows when this module is imported


registry.register(RowCollector())


def by_state(name: str, documentation: str, model: type[TrainingRun | PictureImport | Job]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=["state"])
    counts = dict(model._default_manager.order_by().values_list("state").annotate(Count("pk")))
    for state in model.State.values:
        family.add_metric([state], counts.get(state, 0))
    return family


def queue_age() -> Metric:
    """A run that was cut off waits since its last heartbeat."""
    oldest = TrainingRun.objects.queued().aggregate(since=Min(Coalesce("heartbeat", "created_at")))["since"]
    age = max(0.0, (timezone.now() - oldest).total_seconds()) if oldest else 0
    return GaugeMetricFamily("discern_queue_age_seconds", "How long the oldest queued run has waited.", value=age)


def workers() -> Metric:
    return GaugeMetricFamily(
        "discern_workers", "Workers that train and are alive.", value=Worker.objects.alive().count()
    )
