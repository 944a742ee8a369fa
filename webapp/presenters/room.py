"""How much room the disk has left, as the dashboard says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from training.disk import Room, readable


@dataclass(frozen=True)
class RoomSentence:
    text: str
    is_short: bool


def room_sentence() -> RoomSentence:
    room = Room.of(Path(settings.DATA_DIR))
    sizes = {"free": readable(room.free), "floor": readable(room.floor)}
    if room.is_short:
        template = _(
            "The disk of DATA_DIR has %(free)s left; %(floor)s are to stay free (MIN_FREE_DISK). Uploads, imports and "
            "trainings are refused until there is room."
        )
    elif room.floor:
        template = _("The disk has %(free)s left; below %(floor)s uploads, imports and trainings are refused.")
    else:
        template = _("The disk has %(free)s left.")
    return RoomSentence(template % sizes, room.is_short)
