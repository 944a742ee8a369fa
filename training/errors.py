"""Everything that training refuses, as sentences a person can act on: the whole tree on one screen."""

from __future__ import annotations

from training.messages import N_, UserFacingError


class TrainingError(UserFacingError):
    """Something about pictures, recognizers, runs or versions was refused."""


class UnknownRecognizer(TrainingError):
    """No recognizer has this address."""


class UnreadablePicture(TrainingError):
    """The bytes are no picture we accept."""


class DecodingBrokeOff(UnreadablePicture):
    """The process that decoded a picture died of it or was ended, because of time or memory."""


class NoDecoder(TrainingError):
    """No process can decode a picture at the moment; nothing is wrong with it."""


class DiskFull(TrainingError):
    """There is no room for what was to be kept."""


class UnreadableArchive(TrainingError):
    """The file is no zip we accept, or a member breaks a limit."""


class DuplicatePicture(TrainingError):
    """The recognizer already has this very picture."""

    picture_pk = 0  # of the one that is here
    came_with: int | None = None  # key of the import that took it


class WrongConfig(TrainingError):
    """A training setting is unknown, out of range or impossible together with another."""


class TooFewPictures(TrainingError):
    """The recognizer's pictures cannot be split into training, validation and test."""


class WeightsNotFound(TrainingError):
    """Pretrained weights are neither in the cache nor to be had from the network."""


class TrialPruned(TrainingError):
    """A search ends a trial early: others did better at the same epoch."""


class BrokenArtifact(TrainingError):
    """A stored file is missing or is not the one its row describes."""


class ServingModelDiffers(TrainingError):
    """The serving model does not answer as the H5 does."""


class TrainerDied(TrainingError):
    """The trainer's process ended without ending its run."""


class GaveUp(TrainingError):
    """A run was cut off too often."""

    def __init__(self, attempts: int, last: UserFacingError) -> None:
        super().__init__(
            N_("Stopped %(attempts)d times in a row; last reason: %(reason)s"), attempts=attempts, reason=last.sentence
        )


class LeaseLost(TrainingError):
    """The run belongs to another process now, or has ended."""


class NotPublishable(TrainingError):
    """The version cannot become the active one."""


class StillInUse(TrainingError):
    """A version or a recognizer that somebody relies on is not deleted."""


class AlreadyThere(TrainingError):
    """A recognizer of that address exists."""


class NotComparable(TrainingError):
    """Two versions have no answers to the same pictures."""
