"""What a person may choose about a training run, each setting with its range, its default and a sentence of help.

The same names serve the dashboard's form, `manage.py train --set`, the API and the H5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from training.config.choices import (
    ACTIVATIONS,
    AUGMENTATIONS,
    BESIDE_START,
    CLASS_WEIGHTS,
    COMPANIONS,
    FINE_TUNINGS,
    FROM_SCRATCH,
    INITIALIZERS,
    LOSSES,
    NETWORKS,
    OPTIMIZERS,
    PADDINGS,
    POOLINGS,
    PRECISIONS,
    PRETRAINED,
    SCHEDULES,
    TUNABLE,
)
from training.messages import N_


def setting(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    networks: tuple[str, ...] = NETWORKS,
    when: Mapping[str, tuple[Any, ...]] | None = None,
    unit: str = "",
) -> Any:
    """A field of TrainingConfig with its limits.

    Args:
        networks: those that it means something to.
        when: the values of other settings beside which it means something, as {"schedule": ("step", "plateau")}.
        unit: what its number counts, said after it.
    """
    limits = {"minimum": minimum, "maximum": maximum, "choices": choices}
    about = {"help": help, "networks": networks, "when": dict(when or {}), "unit": unit}
    return field(default=default, metadata=about | limits)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one training run, each by itself; `TrainingConfig` sees to it that they fit together."""

    network: str = setting("mobilenetv2", N_("The kind of network."), choices=NETWORKS)
    pretrained: bool = setting(
        True, N_("Start from weights learned on ImageNet instead of random ones."), networks=PRETRAINED
    )
    image_size: int = setting(
        160,
        N_("Side in pixels of the square every picture is resized to."),
        minimum=8,
        maximum=512,
        unit=N_("pixels"),
    )
    epochs: int = setting(
        11,
        N_("How often the network sees every training picture."),
        minimum=1,
        maximum=1000,
        unit=N_("epochs"),
    )
    head_epochs: int = setting(
        5,
        N_("How many of the epochs train only the new last layer, before fine-tuning begins."),
        minimum=0,
        maximum=1000,
        networks=TUNABLE,
        when={"pretrained": (True,), "fine_tune": ("upper", "whole"), "linear_probe": (False,)},
        unit=N_("epochs"),
    )
    linear_probe: bool = setting(
        False,
        N_(
            "The new last layer is found at once, by a logistic regression on what the pretrained part makes of the "
            "pictures, instead of step by step."
        ),
        networks=PRETRAINED,
        when={"pretrained": (True,)},
    )
    fine_tune: str = setting(
        "upper",
        N_("How much of the pretrained network learns after its last layer: nothing, its upper part or the whole."),
        choices=FINE_TUNINGS,
        networks=TUNABLE,
        when={"pretrained": (True,)},
    )
    beside_start: bool = setting(
        False,
        N_(
            "Once fine-tuned, the network answers together with itself as it was before: its lower part is shared, "
            "and its upper part is there twice."
        ),
        networks=BESIDE_START,
        when={"pretrained": (True,), "linear_probe": (True,), "fine_tune": ("upper",)},
    )
    companion: str = setting(
        "none",
        N_("A second network that stays as ImageNet taught it, and answers together with the first one's start."),
        choices=("none", *COMPANIONS),
        networks=COMPANIONS,
        when={"pretrained": (True,), "linear_probe": (True,), "fine_tune": ("upper",), "beside_start": (True,)},
    )
    views: int = setting(
        4,
        N_("Randomly changed views of each picture that the part that does not learn is computed on, once."),
        minimum=1,
        maximum=64,
        networks=PRETRAINED,
        when={"pretrained": (True,), "augmentation": AUGMENTATIONS, "linear_probe": (False,)},
        unit=N_("views"),
    )
    batch_size: int = setting(
        32,
        N_("Pictures per step."),
        minimum=1,
        maximum=1024,
        unit=N_("pictures"),
    )
    learning_rate: float = setting(
        1e-3,
        N_("How far each step moves the weights."),
        minimum=1e-7,
        maximum=10,
    )
    fine_tune_learning_rate: float = setting(
        3e-4,
        N_("The lower rate of the fine-tuning."),
        minimum=1e-8,
        maximum=1,
        networks=TUNABLE,
        when={"pretrained": (True,), "fine_tune": ("upper", "whole")},
    )
    fine_tune_batch_norm: bool = setting(
        True,
        N_("In fine-tuning batch normalisation learns too; otherwise it keeps what it knows from ImageNet."),
        networks=TUNABLE,
        when={"pretrained": (True,), "fine_tune": ("upper", "whole")},
    )
    schedule: str = setting("cosine", N_("How the learning rate changes from step to step."), choices=SCHEDULES)
    warm_up: float = setting(
        0.1,
        N_("Share of the steps over which the learning rate rises, with the cosine."),
        minimum=0,
        maximum=0.5,
        when={"schedule": ("cosine",)},
        unit=N_("of the steps"),
    )
    rate_factor: float = setting(
        0.3,
        N_("What the learning rate is multiplied by at each step down, or on a plateau."),
        minimum=0.01,
        maximum=0.9,
        when={"schedule": ("step", "plateau")},
        unit=N_("times"),
    )
    rate_patience: int = setting(
        5,
        N_("Epochs between two steps down, or without gain before one on a plateau."),
        minimum=1,
        maximum=1000,
        when={"schedule": ("step", "plateau")},
        unit=N_("epochs"),
    )
    optimizer: str = setting("adamw", N_("How a step is made from the gradient."), choices=OPTIMIZERS)
    momentum: float = setting(
        0.9,
        N_("Share of the last step that goes on, with momentum and Nesterov."),
        minimum=0,
        maximum=0.999,
        when={"optimizer": ("momentum", "nesterov")},
        unit=N_("of the last step"),
    )
    weight_decay: float = setting(
        0.004, N_("Share of each weight that a step takes away, times the learning rate."), minimum=0, maximum=1
    )
    weight_averaging: float = setting(
        0.0,
        N_(
            "How slowly an average of the weights follows them, over a tenth of the steps at most; the average is what "
            "is kept. 0 keeps the weights."
        ),
        minimum=0,
        maximum=0.9999,
    )
    loss: str = setting("cross_entropy", N_("What the training makes small."), choices=LOSSES)
    label_smoothing: float = setting(
        0.0,
        N_("Share of certainty that is taken from the true class, with cross-entropy."),
        minimum=0,
        maximum=0.5,
        when={"loss": ("cross_entropy",)},
    )
    class_weights: str = setting(
        "none",
        N_(
            "Lets the pictures of small classes count more: as much as those of large ones when balanced, half way "
            "with the square root of their number."
        ),
        choices=CLASS_WEIGHTS,
    )
    final_epochs: int = setting(
        0,
        N_(
            "How many epochs at the end learn from the pictures to choose by as well, once these have chosen; one "
            "is always left before them."
        ),
        minimum=0,
        maximum=1000,
        unit=N_("epochs"),
    )
    early_stopping: int = setting(
        0,
        N_("End after so many epochs without a lower validation loss; 0 never does."),
        minimum=0,
        maximum=1000,
        unit=N_("epochs"),
    )
    activation: str = setting(
        "relu",
        N_("The function between layers."),
        choices=ACTIVATIONS,
        networks=FROM_SCRATCH,
    )
    initialization: str = setting(
        "glorot_uniform",
        N_("What the weights are before the first step. From zeros no network learns: see it."),
        choices=INITIALIZERS,
        networks=FROM_SCRATCH,
    )
    batch_normalization: bool = setting(
        True, N_("Centre and scale the values of each batch between layers."), networks=("mlp", "cnn", "googlenet")
    )
    dropout: float = setting(0.2, N_("Share of values set to zero before the last layer."), minimum=0, maximum=0.9)
    filters: tuple[int, ...] = setting(
        (32, 64, 128),
        N_("Filters of each block; as many blocks as numbers."),
        minimum=1,
        maximum=2048,
        networks=("cnn",),
    )
    convolutions: int = setting(
        1, N_("Convolutions in each block, before its pooling."), minimum=1, maximum=8, networks=("cnn",)
    )
    kernel_size: int = setting(
        3,
        N_("Side in pixels of each filter."),
        minimum=1,
        maximum=11,
        networks=("cnn",),
        unit=N_("pixels"),
    )
    stride: int = setting(
        1,
        N_("Pixels that a filter moves on, in the first convolution of each block."),
        minimum=1,
        maximum=4,
        networks=("cnn",),
        unit=N_("pixels"),
    )
    padding: str = setting(
        "same", N_("Whether a border of zeros keeps the size of the maps."), choices=PADDINGS, networks=("cnn",)
    )
    pooling: str = setting(
        "max",
        N_("How 2 × 2 values become one after each block."),
        choices=POOLINGS,
        networks=("lenet5", "cnn"),
    )
    hidden_units: tuple[int, ...] = setting(
        (256, 128),
        N_("Units of each hidden layer; as many layers as numbers."),
        minimum=1,
        maximum=8192,
        networks=("mlp",),
    )
    auxiliary_weight: float = setting(
        0.3, N_("How much the losses of the two auxiliary heads count."), minimum=0, maximum=1, networks=("googlenet",)
    )
    augmentation: tuple[str, ...] = setting(
        ("flip", "rotation", "zoom"),
        N_("Random changes to the training pictures. Flip only what means the same mirrored."),
        choices=AUGMENTATIONS,
    )
    augmentation_strength: float = setting(
        1.0,
        N_("How strong the random changes are: 1 is usual, 2 twice as strong."),
        minimum=0.1,
        maximum=3,
        when={"augmentation": AUGMENTATIONS},
        unit=N_("times"),
    )
    mixup: float = setting(
        0.0,
        N_("How strongly pairs of pictures are blended in training (mixup's alpha); 0 is off."),
        minimum=0,
        maximum=1,
    )
    precision: str = setting(
        "auto",
        N_("Mixed computes in 16 bits where that is safe; auto does so where the device is faster at it."),
        choices=PRECISIONS,
    )
    seed: int = setting(
        1,
        N_("Start of all chance: on the same processor the same seed gives the same weights."),
        minimum=0,
        maximum=2**31 - 1,
    )

    def to_dict(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @property
    def has_pretrained_weights(self) -> bool:
        """Whether there are weights of ImageNet for its network."""
        return self.network in PRETRAINED

    @property
    def is_fine_tuned(self) -> bool:
        return self.has_pretrained_weights and self.pretrained

    @property
    def begins_with_a_probe(self) -> bool:
        """Its last layer is found at once, in what counts as its first epoch."""
        return self.is_fine_tuned and self.linear_probe

    @property
    def stands_beside_its_start(self) -> bool:
        """Its upper part is there twice: fine-tuned, and as ImageNet taught it. Only a finished network's is."""
        return self.beside_start and self.has_pretrained_weights and self.fine_tune == "upper"

    @property
    def has_companion(self) -> bool:
        """A second backbone sees the pictures too. Only a finished network's does."""
        return self.companion != "none" and self.stands_beside_its_start

    @property
    def networks_of_start(self) -> tuple[str, ...]:
        """What its start is made of: the network as ImageNet taught it, and its companion."""
        return (self.network, self.companion) if self.has_companion else (self.network,)

    @property
    def tunes_its_backbone(self) -> bool:
        """The pretrained part learns too, or some of it."""
        return self.is_fine_tuned and self.fine_tune != "none"

    @property
    def is_found_at_once(self) -> bool:
        """A linear probe is all of it: nothing is learned step by step, and no epoch is to be chosen."""
        return self.begins_with_a_probe and self.learns_only_its_last_layer

    @property
    def learns_only_its_last_layer(self) -> bool:
        """The pretrained part stays as it is from the first epoch to the last."""
        return self.is_fine_tuned and self.fine_tune == "none"
