"""The libraries' tests, intervals and scales say what the formulas of earlier releases said."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from training.evaluation.comparison import mcnemar_p
from training.evaluation.label_errors import reduced
from training.evaluation.metrics import wilson_interval


def old_wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    share, z2 = successes / trials, NormalDist().inv_cdf(0.975) ** 2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


def old_mcnemar_p(num_gained: int, num_lost: int) -> float:
    tosses = num_gained + num_lost
    tail = sum(math.comb(tosses, k) for k in range(min(num_gained, num_lost) + 1))
    return min(1.0, 2 * tail / 2**tosses)


def old_reduced(features: np.ndarray, count: int) -> np.ndarray:
    from sklearn.decomposition import PCA

    standardised = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    components = PCA(count, random_state=1).fit_transform(standardised)
    return components / (components[:, 0].std() + 1e-6)


@pytest.mark.parametrize("trials", [1, 2, 10, 250, 4000])
def test_the_interval_of_a_share_is_what_it_was(trials: int) -> None:
    for successes in {0, 1, trials // 3, trials // 2, trials - 1, trials}:
        assert wilson_interval(successes, trials) == pytest.approx(
            old_wilson_interval(successes, trials), rel=0, abs=1e-12
        )


@pytest.mark.parametrize(("num_gained", "num_lost"), [(0, 0), (0, 1), (3, 3), (9, 2), (2, 9), (40, 61), (500, 430)])
def test_the_p_of_two_versions_is_what_it_was(num_gained: int, num_lost: int) -> None:
    assert mcnemar_p(num_gained, num_lost) == pytest.approx(old_mcnemar_p(num_gained, num_lost), rel=0, abs=1e-12)


def test_features_are_reduced_to_what_they_were() -> None:
    rng = np.random.default_rng(1)
    features = (rng.normal(size=(80, 12)) * np.arange(1, 13) + 5).astype(np.float32)
    features[:, 3] = 7  # tells nothing

    assert reduced(features) == pytest.approx(old_reduced(features, 12), abs=1e-4)
