"""Labels that are probably wrong: what a simple classifier says of pictures it has not learned from.

Confident learning (Northcutt et al. 2021) by the cleanlab library, on out-of-fold probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
COMPONENTS = 256
REGULARISATION = 0.1  # C of the logistic regression
MAX_STEPS = 300


class LabelError(NamedTuple):
    """A picture whose label may be wrong, by its position."""

    position: int
    quality: float  # of the label, 0 to 1
    answer: int  # the class that the classifier would say
    probability: float  # of that class


def find_label_errors(labels: NDArray[np.int32], probabilities: NDArray[np.float32]) -> list[LabelError]:
    """Every picture whose label the classifier does not share, the likeliest mistakes first.

    Args:
        labels: (n,) class indices.
        probabilities: (n, num_classes) from a classifier that has not learned from the picture.
    """
    from cleanlab.rank import get_label_quality_scores

    quality = get_label_quality_scores(labels, probabilities, method="normalized_margin", adjust_pred_probs=False)
    answers = probabilities.argmax(axis=1)
    order = [int(each) for each in np.argsort(quality, kind="stable") if answers[each] != labels[each]]
    return [
        LabelError(each, float(quality[each]), int(answers[each]), float(probabilities[each].max())) for each in order
    ]


def out_of_fold(features: NDArray[np.float32], labels: NDArray[np.int32], groups: Sequence[str]) -> NDArray[np.float32]:
    """What a logistic regression says of each picture having learned from the others, but from none of its group.

    Args:
        features: (n, any), as `reduced` gives them.
        labels: (n,) class indices from 0, each class with at least one picture.
        groups: near-duplicates share one.
    Returns: (n, num_classes) probabilities; a class that a fold has not learned from has 0 there.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    folds = min(FOLDS, len(set(groups)))
    probabilities = np.zeros((len(labels), int(labels.max()) + 1), dtype=np.float32)
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    divided = StratifiedGroupKFold(folds, shuffle=True, random_state=1).split(features, labels, numbers)
    for learned, asked in divided:
        classifier = _fitted(features[learned], labels[learned])
        probabilities[asked[:, None], classifier.classes_] = classifier.predict_proba(features[asked])
    return probabilities


def reduced(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The principal components of standardised features, at most COMPONENTS, the first with a spread of 1.

    A classifier learns from them a hundred times as fast, and finds more wrong labels than from the features.
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    count = min(COMPONENTS, *features.shape)
    components = PCA(count, random_state=1).fit_transform(StandardScaler().fit_transform(features))
    return np.asarray(components / (components[:, 0].std() + 1e-6), dtype=np.float32)


def _fitted(features: NDArray[np.float32], labels: NDArray[np.int32]) -> Any:
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) < 2:
        return DummyClassifier().fit(features, labels)
    return LogisticRegression(C=REGULARISATION, max_iter=MAX_STEPS, tol=1e-3).fit(features, labels)
