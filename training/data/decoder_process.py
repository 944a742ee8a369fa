"""Decodes strangers' pictures one after the other, in a process of its own: `python -m training.data.decoder_process`.

Its standard input is the socket that requests come in by and answers leave by. It ends when the other end is closed,
or dies of a picture that takes too long or makes the decoder fail; memory that is not there ends that picture alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import struct
import sys
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from training.data.images import Ingested, LargePicture, ingest, load_pixels
from training.errors import UnreadablePicture
from training.limits import DECODING_SECONDS, MAX_UPLOAD_BYTES, MB, SMALL_BYTES

LENGTHS = struct.Struct(">IQ")  # of a message's head, which is JSON, and of the bytes that follow it
NICENESS = 10  # of those for large pictures: pages and ordinary pictures come first
BESIDE_BYTES = 100 * MB + 3 * MAX_UPLOAD_BYTES  # what is needed beside the decoded picture

Head = dict[str, Any]


def send(connection: socket.socket, head: Head, body: bytes = b"") -> None:
    """Raises: OSError, of which TimeoutError is one."""
    text = json.dumps(head).encode()
    connection.sendall(LENGTHS.pack(len(text), len(body)) + text)
    connection.sendall(body)


def received(incoming: BinaryIO) -> tuple[Head, bytes]:
    """The next message. Raises: EOFError where the other end is gone; OSError."""
    head_bytes, body_bytes = LENGTHS.unpack(_exactly(incoming, LENGTHS.size))
    return json.loads(_exactly(incoming, head_bytes)), _exactly(incoming, body_bytes)


def _exactly(incoming: BinaryIO, num_bytes: int) -> bytes:
    data = incoming.read(num_bytes)
    if len(data) < num_bytes:
        raise EOFError
    return data


def answer(head: Head, data: bytes, most_bytes: int) -> tuple[Head, bytes]:
    """What came of one picture: its facts and bytes, `is_large`, or the sentence that it is `refused` with."""
    try:
        if "image_size" in head:
            return {}, load_pixels(data, head["image_size"], most_bytes=most_bytes).tobytes()
        facts = vars(ingest(data, most_bytes=most_bytes))
        return facts, facts.pop("data")
    except LargePicture:
        return {"is_large": True}, b""
    except UnreadablePicture as error:
        return {"refused": error.sentence}, b""


def ingested(facts: Head, data: bytes) -> Ingested:
    """The other end's reading of an answer without `image_size`."""
    return Ingested(data, **facts)


def main(most_bytes: int) -> None:
    """Answer until there is nobody to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this
    warnings.simplefilter("ignore", UserWarning)  # Pillow's, of what strangers' metadata says
    if most_bytes > SMALL_BYTES:
        os.nice(NICENESS)
    _limit_memory(most_bytes + BESIDE_BYTES)
    connection = socket.socket(fileno=sys.stdin.fileno())
    with contextlib.suppress(EOFError, ConnectionError), connection.makefile("rb") as incoming:
        send(connection, {"is_ready": True})
        while True:
            head, data = received(incoming)
            signal.setitimer(signal.ITIMER_REAL, DECODING_SECONDS)  # SIGALRM then ends this process
            head, data = answer(head, data, most_bytes)
            signal.setitimer(signal.ITIMER_REAL, 0)
            send(connection, head, data)


def _limit_memory(further_bytes: int) -> None:
    """Let this process have so much more than it has; where the kernel does not say what that is, no limit is set."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        held = next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmData:"))
        resource.setrlimit(resource.RLIMIT_DATA, (held + further_bytes, held + further_bytes))


if __name__ == "__main__":
    main(int(sys.argv[1]))
