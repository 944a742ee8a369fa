"""What a version answered to pictures it never learned from.

With these, versions are compared on the same pictures, and how sure they may be is worked out anew, without a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Labels: TypeAlias = NDArray[np.int32]  # (n,) class indices
Probabilities: TypeAlias = NDArray[np.float32]  # (n, num_classes), as the network gave them
Names: TypeAlias = NDArray[np.bytes_]  # (n,) SHA-256 of each picture's pixels, in hexadecimal


@dataclass(frozen=True)
class HeldOut:
    """The answers to pictures at a time when these had not been learned from; in the end they have been."""

    labels: Labels
    probabilities: Probabilities


@dataclass(frozen=True)
class Predictions:
    """The answers to the test pictures, and to those that calibrated them: validation pictures, or of each fold."""

    sha256: Names
    labels: Labels
    probabilities: Probabilities
    validation_labels: Labels
    validation_probabilities: Probabilities
