"""Strangers' pictures, decoded in processes whose death hurts one of them: training/data/images.py from afar.

Each thread that has a picture takes one process for itself, over a socket of its own. Large pictures have processes of
their own and wait for one another there, so that no ordinary one waits for them.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from training.data.decoder_process import Head, ingested, received, send
from training.data.images import Ingested, Pixels, Source, bytes_of
from training.errors import DecodingBrokeOff, NoDecoder, UnreadablePicture
from training.limits import (
    DECODERS,
    DECODING_SECONDS,
    LARGE_DECODERS,
    MAX_DECODED_BYTES,
    MOST_WAITING,
    PATIENCE_SECONDS,
    SMALL_BYTES,
)
from training.messages import N_, Sentence

CHECKOUT = Path(__file__).parent.parent.parent
START_SECONDS = 60  # for a process to be ready, from a cold disk beside a training
PREPARED = 2  # processes, before there is a picture
MOST_PICTURES = 5_000  # that one process decodes; what a library leaks goes with it
GRACE_SECONDS = 1  # for a process to end by itself once its time is over
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
BROKEN = (EOFError, OSError, ValueError, MemoryError, OverflowError)  # also what came as an answer

log = logging.getLogger(__name__)


def load_pixels(source: Source, image_size: int) -> Pixels:
    """As `images.load_pixels`, for what a stranger sent.

    Raises: UnreadablePicture (DecodingBrokeOff); NoDecoder after PATIENCE_SECONDS, or at once where many large wait.
    """
    _, pixels = _decoded({"image_size": image_size}, bytes_of(source), PATIENCE_SECONDS)
    return np.frombuffer(pixels, np.uint8).reshape(image_size, image_size, 3)


def ingest(source: Source, *, patience: float | None = PATIENCE_SECONDS) -> Ingested:
    """As `images.ingest`, for what a stranger sent.

    Args:
        patience: seconds that it may wait for others; None for as long as it takes.
    Raises: UnreadablePicture (DecodingBrokeOff); NoDecoder.
    """
    return ingested(*_decoded({}, bytes_of(source), patience))


def prepare() -> None:
    """Start what ordinary pictures need, so that the first does not wait for it; returns at once."""
    lanes[0].prepare()


def _decoded(request: Head, data: bytes, patience: float | None) -> tuple[Head, bytes]:
    for lane in lanes:
        with lane.taken(patience) as decoder:
            head, body = decoder.ask(request, data)
        if "refused" in head:
            raise UnreadablePicture(head["refused"]["template"], **head["refused"]["params"])
        if "is_large" not in head:
            break
    return head, body


class Decoder:
    """One process that decodes, for one thread at a time."""

    def __init__(self, most_bytes: int) -> None:
        """Start it, without waiting until it is ready. Raises: OSError if the machine has no room for it."""
        self.connection, theirs = socket.socketpair()
        self._incoming = self.connection.makefile("rb")
        self._is_ready = False
        self.num_pictures = 0
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "training.data.decoder_process", str(most_bytes)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd=CHECKOUT,
                env=os.environ | ONE_THREAD,
            )

    def ask(self, request: Head, data: bytes) -> tuple[Head, bytes]:
        """Have one picture decoded. Raises: DecodingBrokeOff, NoDecoder; the process is gone then."""
        self.await_start()
        try:
            self.connection.settimeout(DECODING_SECONDS + GRACE_SECONDS)
            send(self.connection, request, data)
            self.num_pictures += 1
            return received(self._incoming)
        except BROKEN as error:
            raise self._broke_off(error) from error

    def await_start(self) -> None:
        """Wait until it is ready. Raises: NoDecoder; the process is gone then."""
        try:
            if not self._is_ready:
                self.connection.settimeout(START_SECONDS)
                received(self._incoming)
                self._is_ready = True
        except BROKEN as error:
            log.error("A process that decodes pictures did not start: it ended with %d", self.end())
            raise _no_decoder() from error

    def _broke_off(self, error: Exception) -> DecodingBrokeOff:
        is_late = isinstance(error, TimeoutError)
        code = self.end(is_late=is_late)
        if is_late or code == -signal.SIGALRM:
            why: Sentence = {
                "template": N_("decoding it took longer than %(limit)d seconds"),
                "params": {"limit": DECODING_SECONDS},
            }
        else:
            how = signal.Signals(-code).name if code < 0 else f"code {code}"
            why = {"template": N_("the process that decoded it ended with %(how)s"), "params": {"how": how}}
        refused = DecodingBrokeOff(
            N_("This picture could not be read: %(why)s. Save it again as an ordinary JPEG and send that."), why=why
        )
        log.warning("A picture was refused: %s", why["template"] % why["params"])
        return refused

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def end(self, *, is_late: bool = True) -> int:
        """End the process, by force unless it is ending by itself. Returns: its exit code, negative for a signal."""
        self._incoming.close()
        self.connection.close()
        try:
            return self.process.wait(0 if is_late else GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Lane:
    """Processes that decode beside each other, started when they are needed; safe in threads."""

    def __init__(self, size: int, most_bytes: int, most_waiting: int | None = None) -> None:
        """
        Args:
            most_bytes: memory that decoding one picture may take.
            most_waiting: threads, beside those that have patience for ever; None for all that come.
        """
        self._most_bytes, self._most_waiting = most_bytes, most_waiting
        self._free = size
        self._waiting = 0
        self._idle: list[Decoder] = []
        self._all: weakref.WeakSet[Decoder] = weakref.WeakSet()
        self._changed = threading.Condition()

    @property
    def idle(self) -> tuple[Decoder, ...]:
        """The processes that wait for a picture."""
        return tuple(self._idle)

    @contextmanager
    def taken(self, patience: float | None) -> Iterator[Decoder]:
        """A process for this thread alone. Raises: NoDecoder."""
        self._wait(patience)
        decoder = None
        try:
            decoder = self._living()
            yield decoder
            if decoder.num_pictures >= MOST_PICTURES:
                decoder.end()
        except BaseException:  # also Ctrl-C: what it still answers would be taken for the next picture's
            if decoder is not None:
                decoder.end()
            raise
        finally:
            with self._changed:
                if decoder is not None and decoder.is_alive:
                    self._idle.append(decoder)
                self._free += 1
                self._changed.notify()

    def prepare(self) -> None:
        """Start the first processes."""
        with self._changed:
            self._idle += [self._started() for _ in range(min(self._free, PREPARED) - len(self._idle))]

    def close(self) -> None:
        """End what has nothing to do."""
        with self._changed:
            for decoder in self._idle:
                decoder.connection.shutdown(socket.SHUT_RDWR)
            while self._idle:
                self._idle.pop().end(is_late=False)

    def leave_to_parent(self) -> None:
        """In a process that was forked: keep no end of what belongs to the one that forked it."""
        for decoder in self._all:
            if decoder.connection.fileno() >= 0:
                os.close(decoder.connection.detach())

    def _wait(self, patience: float | None) -> None:
        with self._changed:
            if patience is not None and self._free == 0 and self._waiting == self._most_waiting:
                raise _too_many()
            self._waiting += patience is not None
            try:
                if not self._changed.wait_for(lambda: self._free > 0, patience):
                    raise _too_many()
                self._free -= 1
            finally:
                self._waiting -= patience is not None

    def _living(self) -> Decoder:
        """One that waits, or a new one in the place of those that were killed while they waited."""
        while True:
            with self._changed:
                decoder = self._idle.pop() if self._idle else None
            if decoder is None:
                break
            if decoder.is_alive:
                return decoder
            decoder.end()
        try:
            return self._started()
        except OSError as error:
            log.error("No process that decodes pictures could be started: %s", error)
            raise _no_decoder() from error

    def _started(self) -> Decoder:
        decoder = Decoder(self._most_bytes)
        self._all.add(decoder)
        return decoder


def _too_many() -> NoDecoder:
    return NoDecoder(N_("Many pictures are being looked at just now. Send it again in a few seconds."))


def _no_decoder() -> NoDecoder:
    return NoDecoder(N_("No picture can be looked at just now. Send it again in a few seconds."))


def _new_lanes() -> tuple[Lane, Lane]:
    return Lane(DECODERS, min(SMALL_BYTES, MAX_DECODED_BYTES)), Lane(LARGE_DECODERS, MAX_DECODED_BYTES, MOST_WAITING)


lanes = _new_lanes()


def _after_fork() -> None:
    global lanes
    for lane in lanes:
        lane.leave_to_parent()
    lanes = _new_lanes()


def close() -> None:
    """End the processes that have nothing to do; the next picture starts another."""
    for lane in lanes:
        lane.close()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(close)
