"""Why a training ended, in plain words and with what to do about it."""

from __future__ import annotations

import signal

from django.conf import settings

from training.disk import has_no_room
from training.errors import TrainerDied, TrainingError
from training.messages import N_, UserFacingError

LOST_ITS_PARENT, LOST_ITS_LEASE, LOST_ITS_DATABASE = 3, 4, 5  # exit codes of a trainer that says nothing itself


def death(returncode: int, batch_size: int, *, memory_ran_out: bool = False) -> TrainerDied:
    """What it means that a process ended with this return code (negative: the signal) and left its row as it was.

    Args:
        batch_size: pictures at a time; 0 for work that is no training.
        memory_ran_out: the system has just killed a process for want of memory (`MemoryKills`).
    """
    if returncode == -signal.SIGKILL:
        return _killed(batch_size) if memory_ran_out else _killed_from_outside()
    if returncode < 0:
        return TrainerDied(N_("The trainer was ended by signal %(name)s."), name=signal.Signals(-returncode).name)
    if returncode == LOST_ITS_DATABASE:
        return TrainerDied(N_("The trainer could not reach the database any more."))
    return TrainerDied(
        N_("The trainer ended with code %(code)d and left no reason. The end of its log may say more."),
        code=returncode,
    )


def _killed(batch_size: int) -> TrainerDied:
    if not batch_size:
        return TrainerDied(N_("Its process was killed because memory ran out. Free some, or try with less at a time."))
    return TrainerDied(
        N_(
            "The trainer was killed because memory ran out at batch size %(size)d. "
            "Try batch size %(half)d or a smaller image size."
        ),
        size=batch_size,
        half=max(1, batch_size // 2),
    )


def _killed_from_outside() -> TrainerDied:
    return TrainerDied(
        N_(
            "Its process was killed from outside (signal 9), by a person, a service manager or a limit of the machine. "
            "Find out what ends it there if this happens again."
        )
    )


def explain(error: BaseException, batch_size: int) -> UserFacingError:
    """Any error of a training as a sentence that says what to do."""
    if isinstance(error, UserFacingError):
        return error
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":  # TensorFlow's
        return TrainingError(
            N_("Out of memory at batch size %(size)d. Try batch size %(half)d or a smaller image size."),
            size=batch_size,
            half=max(1, batch_size // 2),
        )
    if isinstance(error, OSError) and has_no_room(error):
        return TrainingError(
            N_("No space left on the disk (%(file)s). Free some and let the run go on, or start it again."),
            file=str(error.filename or settings.DATA_DIR),
        )
    return TrainingError(
        N_("The trainer stopped with an error of its own: %(error)s. The end of the log says where."),
        error=f"{type(error).__name__}: {error}"[:500],
    )
