"""The presets as cards: what each is for, and how long it should take where that was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.models import Recognizer
from training.runs.requests import RunRequest
from webapp.presenters.dry_runs import expected_seconds
from webapp.presenters.estimates import Estimate, about
from webapp.presenters.preset_names import PRESETS, PURPOSES


@dataclass(frozen=True)
class PresetCard:
    name: str
    title: Any  # a lazy translation, like the next
    purpose: Any
    time: str  # "about 4 min"; empty where nobody knows
    is_in_use: bool


def preset_cards(recognizer: Recognizer, asked: RunRequest, estimate: Estimate | None) -> list[PresetCard]:
    """All of them, for the network that is asked for; `estimate` is None for want of pictures."""
    network = "" if asked.is_network_open else asked.config.network
    known = _times(recognizer, network, estimate.plan.num_pictures) if estimate else {}
    if estimate and asked.preset:
        known[asked.preset] = estimate.time
    return [
        PresetCard(name, title, PURPOSES[name], known.get(name, ""), name == asked.preset)
        for name, title in PRESETS.items()
    ]


def _times(recognizer: Recognizer, network: str, num_pictures: int) -> dict[str, str]:
    """What was measured of them, for a network or, without a name, for one that is to be chosen."""
    requests = {name: RunRequest.of(recognizer, preset=name, network=network) for name in PRESETS}
    return {name: about(seconds) for name, seconds in expected_seconds(recognizer, requests, num_pictures).items()}
