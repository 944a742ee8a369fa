"""Whether a fine-tuned network answers alone, together with its start, or gives way to it.

Pictures to choose by say it. Measured on pictures never seen, fine-tuned, its start, and both: eye grounds from 60 a
class 0.79, 0.79, 0.84, from all 0.86, 0.82, 0.87; pets 0.83, 0.81, 0.84; rubbish 0.95, 0.91, 0.95.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.calibration import calibrated, fit_temperature
from training.trainer.linear_probe import softmax

SHARES = (0.5, 1.0, 0.0, math.inf)  # of the start; at a draw the first. 0 leaves it out, and it alone is infinite.
LEAST = 1e-6  # probability

Answers = NDArray[np.floating[Any]]  # (n, num_classes)


def best_share(labels: NDArray[np.int32], tuned: Answers, start: Answers) -> float:
    """What the start's answers should count beside the fine-tuned network's, by the likelihood of the labels.

    Each blend may be as sure as is best for it: what is compared is what it knows, not how loud it says so.

    Args:
        labels: (n,) of pictures that neither has learned from.
    """

    def surprise(share: float) -> float:
        answers = blended(tuned, start, share)
        sure = calibrated(answers, fit_temperature(labels, answers))
        return float(-np.log(np.maximum(sure[np.arange(len(labels)), labels], LEAST)).mean())

    return min(SHARES, key=surprise)


def blended(tuned: Answers, start: Answers, share: float) -> Answers:
    """(n, num_classes): the product of both probabilities, the start's to the power of its share."""
    if math.isinf(share):
        return start
    return softmax(_logarithms(tuned) + share * _logarithms(start))


def _logarithms(answers: Answers) -> Answers:
    return np.log(np.maximum(answers.astype(np.float64), np.finfo(np.float32).tiny))
