"""What was found in a recognizer's pictures; they are named by the keys of their rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.results.stored import Stored, also


@dataclass(frozen=True)
class LikelyLabelError:
    """A picture whose label a simple classifier does not share, with the label it had then."""

    picture: int
    label: str
    answer: str  # the label that the classifier would give
    probability: float


@dataclass(frozen=True)
class FlawedPicture:
    picture: int
    flaws: list[str]  # of data.image_quality


@dataclass(frozen=True)
class LeakReport:
    """Accuracy of one classifier, tested after a split at random and after one that keeps near-duplicates together."""

    naive: float
    grouped: float
    # of the test pictures those that have a near-duplicate in the random training, and the accuracy on the others
    share_duplicated: float = field(metadata=also("share_with_twin"))
    naive_on_others: float | None = field(metadata=also("naive_without_twin"))  # None where there are no others


@dataclass(frozen=True)
class ReviewResult(Stored):
    """The likeliest label errors first; of a recognizer without pictures, nothing."""

    num_pictures: int = 0
    features: str = ""  # what the classifier learned from: imagenet, or pixels without its weights
    label_errors: list[LikelyLabelError] = field(default_factory=list, metadata=also("suspects"))
    flawed: list[FlawedPicture] = field(default_factory=list)
    leak: LeakReport | None = None  # of two classes and more
