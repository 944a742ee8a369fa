"""Whether a fine-tuned network answers alone, together with its start, or gives way to it.

Together, unless pictures to choose by say clearly otherwise. Of pictures never seen, fine-tuned, its start, and both:
eye grounds from 60 a class 0.79, 0.79, 0.84, from all 0.86, 0.82, 0.87; pets from 60 a class 0.79, 0.79, 0.80, from all
0.83, 0.81, 0.84; rubbish from 60 a class 0.84, 0.85, 0.85, from all 0.95, 0.91, 0.95.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.calibration import calibrated, fit_temperature
from training.trainer.linear_probe import softmax

USUAL = 0.5  # what the start counts
OTHERS = (1.0, 0.0, math.inf)  # 0 leaves the start out, and it alone is infinite
# Of a mean difference. The likeliest share alone is a gamble: of 81 pictures of pets it took 0, which came to 0.775.
STANDARD_ERRORS = 2.0
LEAST = 1e-6  # probability

Answers = NDArray[np.floating[Any]]  # (n, num_classes)


def best_share(labels: NDArray[np.int32], tuned: Answers, start: Answers) -> float:
    """What the start's answers should count beside the fine-tuned network's, by the likelihood of the labels.

    Each blend may be as sure as is best for it: what is compared is what it knows, not how loud it says so.

    Args:
        labels: (n,) of pictures that neither has learned from.
    """

    def likelihoods(share: float) -> NDArray[np.float64]:
        answers = blended(tuned, start, share)
        sure = calibrated(answers, fit_temperature(labels, answers))
        return np.asarray(np.log(np.maximum(sure[np.arange(len(labels)), labels], LEAST)))

    usual = likelihoods(USUAL)
    gains = {share: likelihoods(share) - usual for share in OTHERS}
    clear = [share for share in OTHERS if _is_clear(gains[share])]
    return max(clear, key=lambda share: float(gains[share].mean()), default=USUAL)


def _is_clear(gains: NDArray[np.float64]) -> bool:
    """Whether their mean is not by chance above nothing."""
    return bool(gains.mean() > STANDARD_ERRORS * gains.std() / math.sqrt(len(gains)))


def blended(tuned: Answers, start: Answers, share: float) -> Answers:
    """(n, num_classes): the product of both probabilities, the start's to the power of its share."""
    if math.isinf(share):
        return start
    return softmax(_logarithms(tuned) + share * _logarithms(start))


def _logarithms(answers: Answers) -> Answers:
    return np.log(np.maximum(answers.astype(np.float64), np.finfo(np.float32).tiny))
