"""What the classifier refuses, as sentences a person can act on."""

from training.errors import TrainingError


class ClassifierError(TrainingError):
    """A picture cannot be answered."""


class NoVersion(ClassifierError):
    """The recognizer has no published version."""


class EngineUnavailable(ClassifierError):
    """The published version cannot be opened, and no earlier one is open in this process."""
