"""How much room the disk has left, as the dashboard says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from training.disk import NOTHING_IS_TAKEN, Room, check_room, readable
from training.errors import DiskFull


@dataclass(frozen=True)
class RoomSentence:
    text: str
    is_short: bool


def room_sentence() -> RoomSentence:
    try:
        check_room(NOTHING_IS_TAKEN)
    except DiskFull as error:
        return RoomSentence(str(error), is_short=True)
    room = Room.of(Path(settings.DATA_DIR))
    sizes = {"free": readable(room.free), "floor": readable(room.floor)}
    if room.floor:
        template = _("The disk has %(free)s left; below %(floor)s uploads, imports and trainings are refused.")
    else:
        template = _("The disk has %(free)s left.")
    return RoomSentence(template % sizes, is_short=False)
