"""What somebody asks for when a run begins: a preset, a network or none, and settings of their own.

The form, the API and `manage.py train` read the same request the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from django.db.models import Avg, Count
from django.db.models.functions import Least

from training.config import TrainingConfig
from training.config.presets import MIRRORING, preset_config, without_mirroring
from training.config.training_config import RETIRED
from training.errors import WrongConfig
from training.messages import N_
from training.models import Recognizer

STAND_IN = "efficientnetlite0"  # in the config of a run whose network is still to be chosen
KEPT_BY_SELECTION = ("seed", "precision")  # network selection settles all other settings itself

NONE_TO_CHOOSE_BY = N_(
    "There are too few pictures to choose the best epoch by. Add pictures, or let the network be chosen: "
    "it is one then that needs none."
)


@dataclass(frozen=True)
class RunRequest:
    """Settings that fit a recognizer; where the network is open they stand in until one is chosen."""

    config: TrainingConfig
    preset: str = ""
    is_network_open: bool = False

    @classmethod
    def of(
        cls,
        recognizer: Recognizer,
        *,
        preset: str = "",
        network: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> Self:
        """Read a request: a preset without a network leaves the network open.

        Args:
            preset: name of a preset; "" for the network's own defaults.
            network: name of a network; "" to have one chosen, or without a preset for the usual network.
            settings: over the preset's, or the network's own, which give way where they mean nothing beside them.
                What earlier releases had is passed over.
        Raises: WrongConfig if something is unknown, out of range, or does not suit the recognizer.
        """
        is_open = bool(preset) and not network
        chosen = {name: value for name, value in (settings or {}).items() if name not in RETIRED}
        if is_open:
            _check_open(chosen)
        config = starting_config(recognizer, preset, network).settled(chosen).changed(chosen)
        check_mirroring(recognizer, config)
        return cls(config, preset, is_open)

    def values(self) -> dict[str, Any]:
        """What the run's row keeps of it."""
        return {"config": self.config.to_dict(), "preset": self.preset, "is_network_open": self.is_network_open}


def starting_config(recognizer: Recognizer, preset: str = "", network: str = "") -> TrainingConfig:
    """The settings of a preset or of a network, without what a recognizer does not allow. Raises: WrongConfig."""
    network = network or STAND_IN
    if preset:
        config = preset_config(preset, network, **usual_pictures(recognizer)).settled({})
    else:
        config = TrainingConfig.for_network(network)
    return without_mirroring(config) if recognizer.is_mirror_safe is False else config


def usual_pictures(recognizer: Recognizer) -> dict[str, int]:
    """What a preset goes by: how many pictures there are to learn from, about, and their smaller side on the average.

    How they are split exactly is seen when the run begins.
    """
    known = recognizer.pictures.aggregate(count=Count("pk"), side=Avg(Least("width", "height")))
    share = 1 - recognizer.validation_share - recognizer.test_share
    return {"num_pictures": round(known["count"] * share), "side": round(known["side"] or 0)}


def check_mirroring(recognizer: Recognizer, config: TrainingConfig) -> None:
    """Raises: WrongConfig if pictures would be flipped that show something else then."""
    if recognizer.is_mirror_safe is False and MIRRORING.intersection(config.augmentation):
        raise WrongConfig(
            N_(
                "augmentation flips pictures, but a mirrored picture of this recognizer shows something else. "
                "Leave the flips out, or change what the recognizer says of mirrored pictures."
            ),
            name="augmentation",
        )


def _check_open(chosen: Mapping[str, Any]) -> None:
    settled = [name for name in chosen if name not in KEPT_BY_SELECTION]
    if settled:
        raise WrongConfig(
            N_("%(name)s is settled when the network is chosen. Choose a network yourself to set it."),
            name=settled[0],
        )
