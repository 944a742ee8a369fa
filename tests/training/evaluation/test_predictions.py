from __future__ import annotations

import numpy as np

from training.evaluation.predictions import Answers, read_answers


def test_answers_are_read_as_they_were_kept() -> None:
    half = np.full((2, 2), 0.5, np.float32)
    answers = Answers(np.array([b"ab", b"cd"]), np.array([0, 1], np.int32), half, np.array([1, 1], np.int32), half)

    read = read_answers(answers.to_bytes())

    assert all((value == getattr(read, name)).all() for name, value in vars(answers).items())
