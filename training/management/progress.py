"""A line that is drawn over and over on a terminal, and left out where the output is a file."""

from __future__ import annotations

from typing import TextIO


class ProgressLine:
    """Shows `text` in place; `end()` leaves the last one standing."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.is_shown = out.isatty()
        self.width = 0

    def show(self, text: str) -> None:
        if self.is_shown:
            self.out.write("\r" + text.ljust(self.width))
            self.out.flush()
            self.width = len(text)

    def end(self) -> None:
        if self.width:
            self.out.write("\n")
            self.width = 0
