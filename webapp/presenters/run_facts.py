"""What a run's page tells of it: why its network, the parts of its latest attempt, and what it was made with."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any, TypedDict

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from training.models import TrainingRun
from webapp.presenters.durations import duration

LIBRARIES = {
    "python": "Python",
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "numpy": "NumPy",
    "openvino": "OpenVINO",
}


class Part(TypedDict):
    title: str
    length: str  # how long it took; empty where it has not ended
    is_current: bool


def choice_of(run: TrainingRun) -> str:
    """Why its network was picked, or that it will be; empty where a person chose it."""
    return _("The network is chosen before the training begins.") if run.is_network_open else run.choice


def parts_of(run: TrainingRun) -> list[Part]:
    """In order; none for a run that waits, or that an earlier release carried out."""
    began = run.environment.get("parts", {})
    if not began or run.state == TrainingRun.State.QUEUED:
        return []
    titles = _titles(run)
    moments = [datetime.fromisoformat(began[name]) for name in titles if name in began]
    ends = [later for _earlier, later in pairwise([*moments, run.ended_at])] if moments else []
    lengths = [duration((end - start).total_seconds()) if end else "" for start, end in zip(moments, ends, strict=True)]
    reached = [name for name in titles if name in began]
    said = dict(zip(reached, lengths, strict=True))
    return [
        {
            "title": title,
            "length": said.get(name, ""),
            "is_current": name == reached[-1] and not run.has_ended,
        }
        for name, title in titles.items()
    ]


def _titles(run: TrainingRun) -> dict[str, str]:
    selection = {"choosing": _("choosing the network")} if "choosing" in run.environment["parts"] else {}
    stages = {stage: TrainingRun.State(stage).label for stage in TrainingRun.ACTIVE}
    return selection | {str(stage): str(label) for stage, label in stages.items()}


def made_with(run: TrainingRun) -> list[tuple[str, Any]]:
    """Name and value of all that may change what the same settings come to; none before a run has begun."""
    environment = run.environment
    if "python" not in environment:
        return []
    facts = {
        _("Device"): environment["device"],
        _("Processor"): environment["cpu"],
        _("Cores"): environment["cores"],
        pgettext("arithmetic", "Precision"): environment["precision"],
        **{title: environment[name] for name, title in LIBRARIES.items()},
        _("Git revision"): environment["git_revision"],
        _("Pictures and split (SHA-256)"): run.manifest_sha256,
        _("Seed"): run.config.get("seed", ""),
    }
    return [(name, value if value != "" else "–") for name, value in facts.items()]
