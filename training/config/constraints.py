"""Settings that exclude each other: refused before a run begins, with a way out.

What merely means nothing beside other settings is not refused; `values.is_relevant` says so of it.
"""

from __future__ import annotations

import math
from itertools import pairwise

from training.config.choices import PAIRS, companions_of
from training.config.fields import Settings
from training.errors import WrongConfig
from training.messages import N_

SMALLEST_IMAGE_SIZE = {"lenet5": 12, "googlenet": 64, "xception": 71, "inceptionv3": 75, "inceptionresnetv2": 75}
SMALLEST_OF_THE_OTHERS = {True: 32, False: 8}  # by whether keras.applications has it
MAX_WEIGHTS = 2**28  # 1 GB in float32, and three times that in training


def refuse_impossible(config: Settings) -> None:
    """Raises: WrongConfig, whose `name` is the setting to change."""
    _refuse_empty_lists(config)
    _refuse_tuned_pairs(config)
    _refuse_unknown_companions(config)
    _refuse_too_many_head_epochs(config)
    _refuse_smoothed_squares(config)
    _refuse_normalization_of_one(config)
    _refuse_too_small_pictures(config)
    if config.network == "cnn":
        map_sides(config)
    _refuse_too_many_weights(config)


def map_sides(config: Settings) -> list[int]:
    """Side in pixels of the maps that each block of a `cnn` gives out.

    Raises: WrongConfig naming the block that would leave nothing of them.
    """
    sides = [config.image_size]
    for number in range(1, len(config.filters) + 1):
        side = _side_after_block(sides[-1], config)
        if side < 1:
            raise WrongConfig(
                N_(
                    "Block %(block)d of %(blocks)d gets maps of %(side)d × %(side)d pixels and leaves nothing of them. "
                    "Take a larger image_size, fewer filters, a smaller kernel_size or stride, or other padding or "
                    "pooling."
                ),
                name="filters",
                block=number,
                blocks=len(config.filters),
                side=sides[-1],
            )
        sides.append(side)
    return sides[1:]


def _side_after_block(side: int, config: Settings) -> int:
    for stride in (config.stride, *[1] * (config.convolutions - 1)):
        if config.padding == "valid":
            side -= config.kernel_size - 1
        side = math.ceil(side / stride)
    return side if config.pooling == "none" else side // 2


def _refuse_empty_lists(config: Settings) -> None:
    for name in ("filters", "hidden_units"):
        if not getattr(config, name):
            raise WrongConfig(N_("%(name)s is empty; give at least one number."), name=name)


def _refuse_tuned_pairs(config: Settings) -> None:
    if config.network in PAIRS and config.tunes_its_backbone:
        raise WrongConfig(
            N_("fine_tune is “%(value)s”, but of two networks side by side only the last layer learns; make it none."),
            name="fine_tune",
            value=config.fine_tune,
        )


def _refuse_unknown_companions(config: Settings) -> None:
    known = companions_of(config.network)
    if config.has_companion and config.companion not in known:
        raise WrongConfig(
            N_("companion is “%(value)s”; beside %(network)s it can be: %(known)s."),
            name="companion",
            value=config.companion,
            network=config.network,
            known=", ".join(["none", *known]),
        )


def _refuse_too_many_head_epochs(config: Settings) -> None:
    is_tuned_after_its_head = config.tunes_its_backbone and not config.linear_probe
    if is_tuned_after_its_head and config.head_epochs > config.epochs:
        raise WrongConfig(
            N_("head_epochs is %(head)d but there are only %(epochs)d epochs; make it at most that."),
            name="head_epochs",
            head=config.head_epochs,
            epochs=config.epochs,
        )


def _refuse_smoothed_squares(config: Settings) -> None:
    if config.loss == "mean_squared_error" and config.label_smoothing:
        raise WrongConfig(
            N_("label_smoothing belongs to cross-entropy; with mean_squared_error make it 0."), name="label_smoothing"
        )


def _refuse_normalization_of_one(config: Settings) -> None:
    """A value minus the mean of itself alone is nothing; maps have other values to be centred with."""
    if config.network == "mlp" and config.batch_normalization and config.batch_size == 1:
        raise WrongConfig(
            N_("Batch normalisation of a single picture leaves nothing of it; take a batch_size of at least 2."),
            name="batch_size",
        )


def _refuse_too_small_pictures(config: Settings) -> None:
    smallest = SMALLEST_IMAGE_SIZE.get(config.network, SMALLEST_OF_THE_OTHERS[config.has_pretrained_weights])
    if config.image_size < smallest:
        raise WrongConfig(
            N_("image_size is %(size)d; %(network)s needs at least %(smallest)d pixels."),
            name="image_size",
            size=config.image_size,
            network=config.network,
            smallest=smallest,
        )


def _refuse_too_many_weights(config: Settings) -> None:
    num_weights = _num_chosen_weights(config)
    if num_weights > MAX_WEIGHTS:
        raise WrongConfig(
            N_(
                "The network would have %(weights)d million weights; at most %(limit)d million are trained here. "
                "Take a smaller image_size, or fewer and smaller layers."
            ),
            name={"cnn": "filters", "mlp": "hidden_units"}.get(config.network, "image_size"),
            weights=num_weights // 10**6,
            limit=MAX_WEIGHTS // 10**6,
        )


def _num_chosen_weights(config: Settings) -> int:
    """Of the networks whose size is chosen, biases and last layer left out."""
    if config.network == "mlp":
        return sum(before * after for before, after in pairwise((config.image_size**2 * 3, *config.hidden_units)))
    if config.network == "lenet5":
        side = config.image_size - 4 if config.pooling == "none" else (config.image_size // 2 - 4) // 2
        return side**2 * 16 * 120
    if config.network == "cnn":
        more = config.convolutions - 1
        kernels = sum(before * after + more * after**2 for before, after in pairwise((3, *config.filters)))
        return kernels * config.kernel_size**2
    return 0
