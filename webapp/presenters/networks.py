"""The networks in the order in which the training form offers them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from training.config.choices import LITES
from webapp.presenters.setting_names import FAMILIES, NETWORKS, Network, family_of

USUAL = (*LITES, "mobilenetv2", "efficientnetv2b0", "resnet50", "cnn", "lenet5", "googlenet", "mlp")


@dataclass(frozen=True)
class Family:
    """Networks for those who know their names, with what they have in common."""

    use: Any  # what they are good for, a lazy translation
    networks: list[Network]


def usual_networks() -> list[Network]:
    return [each for each in NETWORKS.values() if each.name in USUAL]


def is_usual(network: str) -> bool:
    return network in USUAL


def other_networks() -> list[Family]:
    """All that are not usual, by family."""
    order = list(FAMILIES)
    others = sorted(
        (each for each in NETWORKS.values() if each.name not in USUAL),
        key=lambda each: order.index(family_of(each.name)),
    )
    return [Family(FAMILIES[name], list(some)) for name, some in groupby(others, lambda each: family_of(each.name))]
