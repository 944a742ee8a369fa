"""The networks in the order in which the training form offers them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from training.config.choices import LITES
from webapp.presenters.setting_names import FAMILIES, NETWORKS, Network, family_of

USUAL = (
    *LITES,
    "efficientnetlite0and2",
    "mobilenetv2",
    "efficientnetv2b0",
    "resnet50",
    "cnn",
    "lenet5",
    "googlenet",
    "mlp",
)


@dataclass(frozen=True)
class Family:
    """Networks for those who know their names, with what they have in common."""

    use: str  # what they are good for
    networks: list[Network]


def usual_networks() -> list[Network]:
    return [each for each in NETWORKS.values() if each.name in USUAL]


def is_usual(network: str) -> bool:
    return network in USUAL


def other_networks() -> list[Family]:
    """All that are not usual, by family."""
    order = list(FAMILIES)
    others = [each for each in NETWORKS.values() if each.name not in USUAL]
    others.sort(key=lambda each: order.index(family_of(each.name)))
    return [Family(use, list(some)) for use, some in groupby(others, lambda each: str(FAMILIES[family_of(each.name)]))]
