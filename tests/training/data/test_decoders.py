from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from tests.drawings import draw, encoded
from tests.processes import is_alive, killed_once_it_decodes, wait_until
from tests.site import ROOT
from training.data import decoders, images
from training.data.decoders import Decoder, Lane, ingest, load_pixels
from training.data.members import Member
from training.errors import DecodingBrokeOff, NoDecoder, UnreadablePicture
from training.library.intake import add_pictures
from training.models import Recognizer

PICTURE = encoded(draw("circle", 1))
LARGE = encoded(Image.new("RGB", (2100, 2000), (90, 80, 70)))  # 16.8 MB


def test_a_decoder_gives_what_the_module_gives() -> None:
    assert (load_pixels(PICTURE, 24) == images.load_pixels(PICTURE, 24)).all()
    assert ingest(PICTURE) == images.ingest(PICTURE)


@pytest.mark.parametrize("bad", [b"", b"hello", PICTURE[:90], encoded(Image.new("1", (500, 2)))], ids=len)
def test_what_is_refused_is_refused_in_the_same_words(bad: bytes) -> None:
    with pytest.raises(UnreadablePicture) as directly:
        images.ingest(bad)
    with pytest.raises(UnreadablePicture) as from_afar:
        ingest(bad)

    assert from_afar.value.sentence == directly.value.sentence


def test_a_decoder_killed_while_it_decodes_costs_one_picture(decoder: Decoder) -> None:
    killed_once_it_decodes(decoder)

    with pytest.raises(DecodingBrokeOff, match="ended with SIGKILL"):
        load_pixels(PICTURE, 24)

    assert load_pixels(PICTURE, 24).shape == (24, 24, 3)


def test_a_decoder_killed_while_it_waits_costs_none(decoder: Decoder) -> None:
    load_pixels(PICTURE, 24)
    decoder.process.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(decoder.process.pid))

    assert load_pixels(PICTURE, 24).shape == (24, 24, 3)


def test_a_decoder_has_its_time(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "MOST_PICTURES", 2)

    for _ in range(2):
        assert decoder.is_alive
        load_pixels(PICTURE, 24)

    assert not decoder.is_alive
    assert load_pixels(PICTURE, 24).shape == (24, 24, 3)


def test_time_in_the_decoder_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECODING_SECONDS", "1")
    monkeypatch.setenv("MAX_JPEG_SCANS", "10000")
    monkeypatch.setattr(decoders, "lanes", (lane := Lane(1, 10**9),))

    with pytest.raises(DecodingBrokeOff, match="took longer than"):
        load_pixels(slow_jpeg(9_000), 24)

    lane.close()


def slow_jpeg(num_scans: int) -> bytes:
    """A JPEG whose last scan is there so many times."""
    file = encoded(Image.new("RGB", (3000, 2500), (9, 8, 7)), "JPEG", progressive=True)
    last = file.rindex(b"\xff\xda")
    return file[:last] + file[last:-2] * num_scans + file[-2:]


def test_a_jpeg_in_thousands_of_passes_is_refused_unread() -> None:
    with pytest.raises(UnreadablePicture, match="more than 100 passes"):
        images.load_pixels(slow_jpeg(1_000), 24)


def test_large_pictures_have_processes_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = Lane(1, 16_000_000), Lane(1, 250_000_000, 0)
    monkeypatch.setattr(decoders, "lanes", lanes)

    with lanes[1].taken(None):
        assert load_pixels(PICTURE, 24).shape == (24, 24, 3)
        with pytest.raises(NoDecoder, match="again in a few seconds"):
            load_pixels(LARGE, 24)
    assert load_pixels(LARGE, 24).shape == (24, 24, 3)

    decoders.close()


def test_nobody_waits_for_ever_but_who_wants_to(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "PATIENCE_SECONDS", 0.05)

    with ThreadPoolExecutor(1) as pool:
        with decoders.lanes[0].taken(None):
            patient = pool.submit(ingest, PICTURE, patience=None)
            with pytest.raises(NoDecoder, match="Many pictures"):
                load_pixels(PICTURE, 24)
        assert patient.result(30) == images.ingest(PICTURE)


def test_a_picture_of_an_import_that_kills_its_decoder_is_refused_alone(
    recognizer: Recognizer, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)

    def deadly() -> bytes:
        killed_once_it_decodes(decoder)
        return PICTURE

    first, second = (Member(f"{number}.png", "circle", partial(encoded, draw("circle", number))) for number in (2, 3))
    lines = list(add_pictures(recognizer, [first, Member("bad.png", "circle", deadly), second], None))

    assert [line.is_taken for line in lines] == [True, False, True]
    assert "ended with SIGKILL" in lines[1].reason


STARTS = """
import sys, time
from training.data import decoders
decoders.prepare()
decoders.load_pixels(open(sys.argv[1], "rb"), 24)
print(*[decoder.process.pid for decoder in decoders.lanes[0].idle], flush=True)
time.sleep(60)
"""


def test_decoders_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(PICTURE)
    command = [sys.executable, "-c", STARTS, str(tmp_path / "picture")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert pids
        assert all(map(is_alive, pids))
        parent.kill()

    assert wait_until(lambda: not any(map(is_alive, pids)), seconds=10)


def test_a_forked_process_has_decoders_of_its_own(decoder: Decoder) -> None:
    load_pixels(PICTURE, 24)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            load_pixels(PICTURE, 24)
            decoders.close()
            code = 0
        finally:
            os._exit(code)

    assert os.waitpid(child, 0)[1] == 0
    assert load_pixels(PICTURE, 24).shape == (24, 24, 3)
    assert decoder.is_alive
