"""What a batch saw, beside what the layers in the H5 make of the same pictures with the same parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from training.config import TrainingConfig
from training.config.augmentation import (
    Brightness,
    Change,
    Colour,
    Contrast,
    Erasing,
    Flip,
    GaussianBlur,
    Invert,
    Rotation,
    Shear,
    Translation,
    Zoom,
    changes,
    changes_of,
)
from training.config.choices import AUGMENTATIONS
from training.config.presets import BALANCED, preset_config
from training.data.images import Pixels
from training.trainer.augmentation import Drawn, apply, draw

pytestmark = pytest.mark.keras

SIDE = 48
LARGER_SIDE = 160
PICTURES = 12
DRAWS = 2000
LISTS = ("mobilenetv2", "cnn", "lenet5", "googlenet")  # networks whose presets differ in what they change
Floats = NDArray[np.float32]

# How far a layer's floats may lie from our 8 bits, below and above them. Pillow's sampling and the table of brightness
# cut the decimals off. The others round; a blur leaves out neighbours too light to matter.
EXACT, CUT, ROUNDED, BLURRED = (0.0, 0.0), (-0.01, 1.01), (-0.51, 0.51), (-0.6, 0.6)
TOLERANCE = {
    **dict.fromkeys((Flip, Erasing, Invert), EXACT),
    **dict.fromkeys((Rotation, Translation, Shear, Brightness), CUT),
    **dict.fromkeys((Contrast, Colour), ROUNDED),
    GaussianBlur: BLURRED,
}


def config_of(*names: str, strength: float = 1.0, side: int = SIDE) -> TrainingConfig:
    settings = {"augmentation": names, "augmentation_strength": strength, "image_size": side, "hidden_units": (2,)}
    return TrainingConfig.for_network("mlp", settings)


def as_the_presets(network: str) -> TrainingConfig:
    preset = preset_config(BALANCED, network)
    return config_of(*preset.augmentation, strength=preset.augmentation_strength, side=LARGER_SIDE)


def layers_in_h5(config: TrainingConfig, folder: Path) -> list[Any]:
    """The random layers of a network that was saved as trained ones are, and opened as a stranger would."""
    import keras

    from training import networks

    network = networks.build(config, 2)
    networks.with_augmentation_at_rest(network).save(folder / "network.h5")
    opened = keras.saving.load_model(folder / "network.h5", compile=False)
    return [layer for layer in opened.layers if type(layer).__name__.startswith("Random")]


def drawn_for(config: TrainingConfig, number: int) -> list[tuple[Change, Drawn]]:
    rng = np.random.default_rng(number)
    return [(change, draw(change, rng)) for change in changes(config)]


def through_layers(layers: list[Any], drawn: list[tuple[Change, Drawn]], pixels: NDArray[Any]) -> Floats:
    """What the layers make of one picture, (side, side, 3), with parameters that the trainer drew."""
    images: Any = pixels[None].astype(np.float32)
    parameters = [each for change, some in drawn for each in transformations(change, some, len(pixels))]
    for layer, given in zip(layers, parameters, strict=True):
        if "box" in given:
            given["batch_masks"] = layer._generate_batch_mask(images.shape, given.pop("box"))
        if "angle" in given:
            given["rotation_matrix"] = rotation_matrix(layer, given["angle"], len(pixels))
        images = layer.transform_images(images, transformation=given, training=True)
    return np.asarray(images)[0]


def rotation_matrix(layer: Any, angle: Floats, side: int) -> Any:
    none, one = np.zeros(1, np.float32), np.ones(1, np.float32)
    return layer._compute_affine_matrix(0.5, 0.5, angle, none, none, one, none, none, side, side)


def transformations(change: Change, drawn: Drawn, side: int) -> list[dict[str, Any]]:
    """The same parameters as the layers' own get_random_transformation puts them; two layers make a colour."""
    shape = (1, side, side, 3)

    def values(*some: float) -> Floats:
        return np.array(some, np.float32)

    match change:
        case Flip():
            return [{"flips": np.full((1, 1, 1, 1), drawn["flips"]), "input_shape": shape}]
        case Rotation():
            return [{"angle": values(360 * drawn["turn"])}]
        case Zoom():
            zooms = {"height_zoom": values(drawn["height"])[None], "width_zoom": values(drawn["width"])[None]}
            return [{**zooms, "input_shape": shape}]
        case Translation():
            return [{"translations": side * values(drawn["width"], drawn["height"])[None], "input_shape": shape}]
        case Shear():
            return [{"shear_factor": values(drawn["shear"], 0)[None], "input_shape": shape}]
        case Contrast():
            return [{"contrast_factor": values(drawn["factor"])}]
        case Brightness():
            return [{"rgb_delta": values(255 * drawn["delta"])}]
        case Colour():
            return [{"factor": values(drawn["hue"])}, {"factor": values(drawn["saturation"])}]
        case GaussianBlur():
            applies = np.array([bool(drawn["applies"])])
            return [{"should_apply_blur": applies, "blur_factor": values(drawn["across"], drawn["down"])}]
        case Erasing():
            box = [
                side * values(each)
                for first, length in (("left", "width"), ("top", "height"))
                for each in (drawn[first], drawn[first] + drawn[length])
            ]
            applies = np.array([bool(drawn["applies"])])
            return [{"apply_erasing": applies, "box": box, "fill_value": np.full(shape, change.fill_value, np.float32)}]
        case Invert():
            return [{"apply_inversion": np.array([bool(drawn["applies"])])}]


def noise(number: int) -> Pixels:
    return np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def hill(number: int, side: int = LARGER_SIDE) -> Pixels:
    """A smooth hill of one colour on a plain ground of another."""
    rng = np.random.default_rng(number)
    ground, top = rng.uniform(60, 196, (2, 3))
    places = np.linspace(-1, 1, side)
    distance = np.minimum(1, np.hypot(*np.meshgrid(places, places)) / 0.4)
    return (ground + (top - ground) * (1 + np.cos(np.pi * distance[..., None])) / 2).astype(np.uint8)


@pytest.mark.parametrize("strength", [1.0, 3.0])
@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "zoom"])
def test_a_batch_saw_what_the_layer_in_the_h5_makes_of_it(name: str, strength: float, tmp_path: Path) -> None:
    """Every pixel of noise, the hardest picture there is, up to its border."""
    config = config_of(name, strength=strength)
    layers = layers_in_h5(config, tmp_path)

    for number in range(PICTURES):
        drawn = drawn_for(config, number)
        difference = through_layers(layers, drawn, noise(number)) - apply(drawn, noise(number))

        low, high = TOLERANCE[type(drawn[0][0])]
        assert low <= difference.min() <= difference.max() <= high


CONFIGS = {"zoom": config_of("zoom", side=LARGER_SIDE)} | {f"as for {name}": as_the_presets(name) for name in LISTS}


@pytest.mark.parametrize("title", CONFIGS)
def test_a_batch_saw_what_all_layers_in_the_h5_make_of_it_one_after_the_other(title: str, tmp_path: Path) -> None:
    """Every pixel again, but of smooth pictures with a plain border.

    We sample once where the layers sample up to five times, and each time a little of a picture's sharpness is lost: of
    this hill 0.1 levels. And what one layer moves beyond the border the next cannot bring back: here it is only ground.
    To these come 8 bits after each change instead of one, up to 1 each, and what the changes after it make of them.
    """
    config = CONFIGS[title]
    layers = layers_in_h5(config, tmp_path)

    for number in range(PICTURES):
        drawn = drawn_for(config, number)
        difference = through_layers(layers, drawn, hill(number)) - apply(drawn, hill(number))

        assert -2 <= difference.min() <= difference.max() <= 4
        assert np.abs(difference).mean() < 2


def test_the_layers_in_the_h5_say_what_is_described(tmp_path: Path) -> None:
    config = config_of(*AUGMENTATIONS)
    described = [
        part
        for change in changes(config)
        for part in ((change.hue, change.saturation) if isinstance(change, Colour) else (change,))
    ]

    layers = layers_in_h5(config, tmp_path)

    assert [type(layer).__name__ for layer in layers] == [f"Random{type(part).__name__}" for part in described]
    for layer, part in zip(layers, described, strict=True):
        stored = layer.get_config()
        in_file = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
        square = {"kernel_size": (part.kernel_size, part.kernel_size)} if isinstance(part, GaussianBlur) else {}
        assert (asdict(part) | square).items() <= in_file.items()
    assert len({layer.seed for layer in layers}) == len(layers)


# For each kind: what our draws are called, and what the layers' own draws of many pictures hold of the same.
Draws = dict[str, Any]
THEIRS: dict[str, Callable[[list[Draws]], Draws]] = {
    "flip": lambda some: {"flips": some[0]["flips"]},
    "vertical_flip": lambda some: {"flips": some[0]["flips"]},
    "rotation": lambda some: {"turn": some[0]["angle"] / 360},
    "translation": lambda some: {
        "width": some[0]["translations"][:, 0] / SIDE,
        "height": some[0]["translations"][:, 1] / SIDE,
    },
    "zoom": lambda some: {
        "moved width": some[0]["translations"][:, 0] / SIDE,
        "moved height": some[0]["translations"][:, 1] / SIDE,
        "height": some[1]["height_zoom"],
        "width": some[1]["width_zoom"],
    },
    "shear": lambda some: {"shear": some[0]["shear_factor"][:, 0]},
    "contrast": lambda some: {"factor": some[0]["contrast_factor"]},
    "brightness": lambda some: {"delta": some[0]["rgb_delta"] / 255},
    "colour": lambda some: {"hue": some[0]["factor"], "saturation": some[1]["factor"]},
    "erasing": lambda some: {"applies": some[0]["apply_erasing"], **boxes(some[0]["batch_masks"])},
    "invert": lambda some: {"applies": some[0]["apply_inversion"]},
}


def boxes(masks: NDArray[np.bool_]) -> Draws:
    """First row and column, height and width of each erased box; masks: (count, side, side, 3)."""
    rows, columns = masks[..., 0].any(axis=2), masks[..., 0].any(axis=1)
    lengths = {"height": rows.sum(axis=1), "width": columns.sum(axis=1)}
    return {"top": rows.argmax(axis=1), "left": columns.argmax(axis=1), **lengths}


def drawn_by_layers(name: str, config: TrainingConfig) -> Draws:
    from training.networks import random_layers

    pictures = np.zeros((DRAWS, SIDE, SIDE, 1), np.float32)
    some = [layer.get_random_transformation(pictures, training=True) for layer in random_layers(name, config)]
    arrays = [{key: np.asarray(value) for key, value in each.items()} for each in some]
    return {key: np.asarray(value, float).ravel() for key, value in THEIRS[name](arrays).items()}


def drawn_by_us(name: str, config: TrainingConfig) -> Draws:
    rng = np.random.default_rng(1)
    lists: dict[str, list[float]] = {}
    for _ in range(DRAWS):
        for change in changes_of(name, config):
            for key, value in told(change, draw(change, rng)).items():
                moved = name == "zoom" and isinstance(change, Translation)
                lists.setdefault(f"moved {key}" if moved else key, []).append(value)
    return {key: np.array(values, float) for key, values in lists.items()}


def told(change: Change, drawn: Drawn) -> Drawn:
    """What was drawn; of a box, the whole pixels that it covers."""
    if not isinstance(change, Erasing):
        return drawn
    covered = apply([(change, {**drawn, "applies": True})], np.zeros((SIDE, SIDE, 3), np.uint8)) > 0
    whole = {key: float(value[0]) for key, value in boxes(covered[None]).items()}
    return {"applies": drawn["applies"], **whole}


@pytest.mark.parametrize("name", THEIRS)
def test_we_draw_from_the_distribution_that_the_layers_draw_from(name: str) -> None:
    """The same ends to 2 % of the range, or a whole pixel; what lies between by the test of Kolmogorov and Smirnov."""
    config = config_of(name)

    ours, theirs = drawn_by_us(name, config), drawn_by_layers(name, config)

    assert ours.keys() == theirs.keys()
    for key, values in ours.items():
        near = 1 if name == "erasing" else 0.02 * np.ptp(values)
        assert (values.min(), values.max()) == pytest.approx((theirs[key].min(), theirs[key].max()), abs=near)
        assert ks_2samp(values, theirs[key]).pvalue > 0.01


def test_we_draw_a_blur_from_the_distribution_that_the_layer_draws_from() -> None:
    """The layer draws one pair of sigmas for a whole batch, we one for each picture."""
    from training.networks import random_layers

    config = config_of("blur")
    (change,) = changes_of("blur", config)
    (layer,) = random_layers("blur", config)
    rng = np.random.default_rng(1)

    ours = [draw(change, rng) for _ in range(DRAWS // 2)]
    batches = [layer.get_random_transformation(np.zeros((2, SIDE, SIDE, 3))) for _ in range(DRAWS // 2)]

    for number, key in enumerate(("across", "down")):
        theirs = [float(each["blur_factor"][number]) for each in batches]
        assert ks_2samp([each[key] for each in ours], theirs).pvalue > 0.01
    blurred = np.concatenate([np.asarray(each["should_apply_blur"]) for each in batches])
    assert [np.mean([each["applies"] for each in ours]), blurred.mean()] == pytest.approx([0.5, 0.5], abs=0.05)


def test_what_is_drawn_for_a_picture_is_drawn_independently() -> None:
    config = config_of(*AUGMENTATIONS)

    draws = np.array([[x for _, some in drawn_for(config, i) for x in some.values()] for i in range(DRAWS)], float)

    related = np.abs(np.corrcoef(draws.T) - np.eye(draws.shape[1])) > 0.1
    names = [f"{type(change).__name__} {key}" for change, some in drawn_for(config, 0) for key in some]
    pairs = {(names[i], names[j]) for i, j in np.argwhere(related) if i < j}
    assert pairs == {("Erasing left", "Erasing width"), ("Erasing top", "Erasing height")}  # it stays in the picture
