"""What the classifier refuses, as sentences a person can act on."""

from training.messages import UserFacingError


class ClassifierError(UserFacingError):
    """A picture cannot be answered."""


class NoVersion(ClassifierError):
    """The recognizer has no published version."""


class EngineUnavailable(ClassifierError):
    """The published version cannot be opened, and no earlier one is open in this process."""
