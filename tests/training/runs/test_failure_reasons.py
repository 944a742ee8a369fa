from __future__ import annotations

import errno

import pytest

from training.errors import TooFewPictures
from training.runs.failure_reasons import death, explain


@pytest.mark.parametrize(
    ("returncode", "sentence"),
    [(-9, "from outside (signal 9)"), (-11, "signal SIGSEGV"), (0, "code 0"), (1, "code 1")],
)
def test_every_death_has_its_sentence(returncode: int, sentence: str) -> None:
    assert sentence in str(death(returncode, batch_size=8))


@pytest.mark.parametrize(
    ("batch_size", "sentence"), [(8, "Try batch size 4"), (1, "Try batch size 1"), (0, "Free some")]
)
def test_memory_is_blamed_where_the_system_killed_for_want_of_it(batch_size: int, sentence: str) -> None:
    assert sentence in str(death(-9, batch_size, memory_ran_out=True))
    assert "memory ran out" in str(death(-9, batch_size, memory_ran_out=True))
    assert "memory" not in str(death(-9, batch_size))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "Out of memory at batch size 8. Try batch size 4"),
        (type("ResourceExhaustedError", (Exception,), {})("OOM"), "Out of memory at batch size 8"),
        (OSError(errno.ENOSPC, "No space", "/data/x"), "No space left on the disk (/data/x)"),
        (TooFewPictures("Too few."), "Too few."),
        (ValueError("odd"), "an error of its own: ValueError: odd"),
    ],
)
def test_every_error_becomes_a_sentence_that_says_what_to_do(error: Exception, sentence: str) -> None:
    assert sentence in str(explain(error, batch_size=8))
