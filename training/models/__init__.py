"""The rows of training: what is recognised, from which pictures, by which runs, into which versions."""

from training.models.jobs import Job
from training.models.pictures import Picture, PictureImport
from training.models.recognizers import Label, LabelNames, Recognizer
from training.models.runs import Checkpoint, Epoch, TrainingRun
from training.models.searches import Search
from training.models.versions import Activation, ModelVersion
from training.models.workers import Worker

__all__ = [
    "Activation",
    "Checkpoint",
    "Epoch",
    "Job",
    "Label",
    "LabelNames",
    "ModelVersion",
    "Picture",
    "PictureImport",
    "Recognizer",
    "Search",
    "TrainingRun",
    "Worker",
]
