"""Some pictures that a network does not learn from, and what it says of them as it learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from training.data.manifest import Manifest
from training.data.subsets import evenly
from training.results.watched_picture import WatchedPicture

NUM_WATCHED = 10
MOST_WRONG = 6  # of them, at first, where there are right ones: those are the ones that may turn right
LOOKED_AT = 60  # pictures, of which they are picked

Tell = Callable[[int, list[WatchedPicture]], None]
"""Takes the epochs done, and each picture with the one answer of now."""


class Watched:
    """The pictures, once they are picked.

    Args:
        known: checksums of those that an attempt before this one has picked.
        tell: is told what the network says of them.
    """

    def __init__(self, manifest: Manifest, known: Sequence[str], tell: Tell) -> None:
        self.manifest, self.tell = manifest, tell
        self.labels = manifest.labels()
        places = {entry.sha256: position for position, entry in enumerate(manifest.entries)}
        self.positions = np.array([places[each] for each in known if each in places], np.intp)

    def of(self, positions: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those to be asked: the ones that are picked already, or as many of these as they may be picked from."""
        return self.positions if len(self.positions) else evenly(positions, LOOKED_AT)

    def hear(self, epoch: int, positions: NDArray[np.intp], answers: NDArray[np.floating]) -> None:
        """Answers after so many epochs.

        Args:
            positions: (n,) of pictures; among them those that are watched.
            answers: (n, num_classes).
        """
        said = dict(zip(positions.tolist(), answers.argmax(axis=1).tolist(), strict=True))
        if not len(self.positions):
            self.positions = self._picked(positions, np.array(list(said.values())))
        names, entries = self.manifest.class_names, self.manifest.entries
        pictures = [
            WatchedPicture(entries[i].sha256, names[self.labels[i]], [names[said[i]]])
            for i in self.positions.tolist()
            if i in said
        ]
        if pictures:
            self.tell(epoch, pictures)

    def _picked(self, positions: NDArray[np.intp], said: NDArray[np.intp]) -> NDArray[np.intp]:
        """Some that are wrong and some that are right, of all classes, in the order of the manifest."""
        is_wrong = said != self.labels[positions]
        num_right = min(int((~is_wrong).sum()), NUM_WATCHED - min(int(is_wrong.sum()), MOST_WRONG))
        right = evenly(positions[~is_wrong], num_right)
        wrong = evenly(positions[is_wrong], NUM_WATCHED - num_right)
        return np.sort(np.concatenate([wrong, right]))


class WatchedCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Asks after each epoch; it stands before whoever puts the weights back that validation has averaged."""

    def __init__(self, watched: Watched, positions: NDArray[np.intp], inputs: NDArray[np.generic], head: str) -> None:
        super().__init__()
        self.watched, self.positions, self.inputs, self.head = watched, positions, inputs, head

    def on_epoch_end(self, epoch: int, logs: dict[str, object] | None = None) -> None:
        answers = self.model(np.asarray(self.inputs, np.float32), training=False)
        answers = answers[self.head] if isinstance(answers, dict) else answers
        self.watched.hear(epoch + 1, self.positions, np.asarray(answers, np.float32))
