"""A version without a training: a network that answers from what ImageNet has taught it. No pictures, no Django."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import keras
import numpy as np

from training.artifacts.h5 import write_h5
from training.artifacts.version_files import H5_NAME, Artifact
from training.config import TrainingConfig
from training.data.drawn_pictures import clock, variants
from training.devices import Device
from training.networks.imagenet_classes import on_imagenet_classes
from training.trainer.conversion import make_serving_model
from training.trainer.distribution import prepare_device
from training.trainer.train import provenance_of

log = logging.getLogger(__name__)


class Report(Protocol):
    """Where it tells what it is doing. A method may raise to end it."""

    def device(self, device: Device) -> None: ...
    def stage(self, stage: str) -> None: ...  # "preparing", "converting"


def make_imagenet_version(
    classes: Mapping[str, Sequence[int]], config: TrainingConfig, report: Report, *, folder: Path, recognizer: str
) -> Artifact:
    """Write the H5 and the serving model of a network that knows some of ImageNet's classes.

    Both must answer a drawn picture and its variants alike. Nothing is measured, as there are no pictures for that.

    Args:
        classes: numbers from 0 of ImageNet's classes for each label's key.
        folder: where both are written.
        recognizer: slug that the H5 carries.
    Raises: WeightsNotFound; ServingModelDiffers; OSError with a file's name where a disk is full.
    """
    report.stage("preparing")
    device = prepare_device(config.precision)
    report.device(device)
    keras.config.set_dtype_policy("float32")  # so that it answers alike on every machine
    class_names = sorted(classes)
    network = on_imagenet_classes(config, [classes[name] for name in class_names])
    log.info("%s: %d weights, %d labels of ImageNet", config.network, network.count_params(), len(class_names))
    report.stage("converting")
    pixels = variants(clock(config.image_size))
    expected = np.asarray(network(pixels.astype(np.float32), training=False))
    serving_model = make_serving_model(network, folder, pixels, expected)
    log.info("The copy that answers differs from the H5 by at most %.2g", serving_model.max_difference)
    provenance = provenance_of(recognizer, class_names, config, device)
    h5 = write_h5(network, folder / H5_NAME, provenance, golden_input=pixels[0])
    return Artifact(h5, serving_model, None, 1.0, None, network.count_params())
