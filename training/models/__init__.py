"""The rows of training: what is recognised, from which pictures, by which runs, into which versions."""

from training.models.pictures import Picture, PictureImport
from training.models.recognizers import Label, LabelNames, Recognizer
from training.models.runs import Epoch, TrainingRun
from training.models.versions import Activation, ModelVersion

__all__ = [
    "Activation",
    "Epoch",
    "Label",
    "LabelNames",
    "ModelVersion",
    "Picture",
    "PictureImport",
    "Recognizer",
    "TrainingRun",
]
