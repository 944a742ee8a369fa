"""What strangers send that no browser would, over real sockets: each is one sentence and one line in the log."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVER = """
from django.core.management import call_command
from wsgiref.simple_server import WSGIRequestHandler, make_server
from webapp.wsgi import application
from training.models import Recognizer
call_command("migrate", verbosity=0)
Recognizer.objects.create(slug="shapes", name_en="Shapes")
class Quiet(WSGIRequestHandler):
    def log_message(self, *args): pass
server = make_server("127.0.0.1", 0, application, handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
"""
API, PAGE = "/api/v1/recognizers/shapes/classify", "/r/shapes/"
MULTIPART, URLENCODED = b"Content-Type: multipart/form-data", b"Content-Type: application/x-www-form-urlencoded"
COOKIE = b"Cookie: csrftoken=" + b"a" * 32  # without one a form is refused before it is read
FIELD = b'--xx\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n'


@dataclass
class Answer:
    status: int
    headers: str
    body: bytes

    @property
    def is_json(self) -> bool:
        return "application/json" in self.headers


@dataclass
class Site:
    port: int
    log: Path
    read: int = 0  # lines of the log

    def send(self, method: str, address: str, *headers: bytes, body: bytes = b"", host: bytes = b"localhost") -> Answer:
        """One request, its bytes as they are given here."""
        lines = [f"{method} {address} HTTP/1.0".encode(), b"Host: " + host, b"Content-Length: %d" % len(body), *headers]
        with socket.create_connection(("127.0.0.1", self.port), 30) as line:
            line.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            head, _, answer = b"".join(iter(lambda: line.recv(65536), b"")).partition(b"\r\n\r\n")
        return Answer(int(head.split()[1]), head.decode("latin-1").lower(), answer)

    def new_lines(self) -> list[str]:
        """Of the log, written since it was last asked for them; a server writes one before it closes the line."""
        lines = self.log.read_text().splitlines()[self.read :]
        self.read += len(lines)
        return lines


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    log = folder / "log.txt"
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATA_DIR": str(folder)}
    with (
        log.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-c", SERVER], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=file, text=True
        ) as server,
    ):
        assert server.stdout
        yield Site(int(server.stdout.readline()), log)
        server.kill()


@pytest.fixture(autouse=True)
def _what_was_said_before(site: Site) -> None:
    site.new_lines()


BODIES: dict[str, tuple[bytes, bytes]] = {
    "multipart without a boundary": (MULTIPART, b"abc"),
    "an empty boundary": (MULTIPART + b"; boundary=", b"abc"),
    "a boundary that is none": (MULTIPART + b"; boundary=\xff\xfe", b"abc"),
    "a charset nobody knows in the content type": (MULTIPART + b"; boundary*=nonsense''xx", b"abc"),
    "base64 that is none": (
        MULTIPART + b"; boundary=xx",
        b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\na$c\r\n--xx--",
    ),
    "too many parts": (MULTIPART + b"; boundary=xx", b"".join(FIELD % each for each in range(1100)) + b"--xx--"),
    "too many fields": (URLENCODED, b"&".join(b"a%d=1" % each for each in range(1100))),
    "a field that is too long": (URLENCODED, b"a=" + b"x" * 2_600_000),
    "a form in another charset": (URLENCODED + b"; charset=gbk", b"a=1"),
}


@pytest.mark.parametrize("what", BODIES)
def test_a_form_that_cannot_be_read_is_one_line_and_a_sentence(what: str, site: Site) -> None:
    header, body = BODIES[what]

    api = site.send("POST", API, header, COOKIE, body=body)
    assert (api.status, api.is_json, list(json.loads(api.body))) == (400, True, ["detail"])
    assert len(site.new_lines()) == 1

    page = site.send("POST", PAGE, header, COOKIE, body=body)
    assert page.status in (400, 403)  # where nothing of it could be read, it has no token either
    assert b"<h1>" in page.body
    assert len(site.new_lines()) == 1


ADDRESSES = ["%00", "%ff%fe/", "?page=%00", "?page=%ff", "?page=%c3%28"]


@pytest.mark.parametrize("odd", ADDRESSES)
def test_an_address_that_is_no_text_is_refused(odd: str, site: Site) -> None:
    api, page = site.send("GET", f"/api/v1/recognizers{odd}"), site.send("GET", f"/{odd}")

    assert (api.status, api.is_json, page.status) == (400, True, 400)
    assert b"<h1>" in page.body
    assert len(site.new_lines()) == 2


@pytest.mark.parametrize("host", [b"evil.example", b"a_b:99:1", b"[::", b"localhost:abc", b"\xff\xfe", b"a b"])
def test_a_host_that_is_not_ours_is_refused(host: bytes, site: Site) -> None:
    api, page = site.send("GET", "/api/v1/recognizers", host=host), site.send("GET", "/", host=host)

    assert (api.status, api.is_json, page.status) == (400, True, 400)
    assert len(site.new_lines()) == 2


def test_a_null_character_in_a_cookie_is_refused(site: Site) -> None:
    answer = site.send("GET", "/manage/", b'Cookie: sessionid="\\000aaaaaaaaaaaaaaaaaaaaaaaa"')

    assert answer.status == 400
    assert len(site.new_lines()) == 1


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("PUT", "/api/v1/recognizers", 405),
        ("DELETE", API, 405),
        ("POST", "/api/v1/recognizers/shapes/runs", 403),
    ],
)
def test_the_api_refuses_in_json_whoever_refuses(method: str, address: str, status: int, site: Site) -> None:
    answer = site.send(method, address)

    assert (answer.status, answer.is_json, list(json.loads(answer.body))) == (status, True, ["detail"])
    assert ("allow: " in answer.headers) == (status == 405)
    assert "camera=()" in answer.headers
    assert len(site.new_lines()) == 1


def test_the_api_says_to_a_head_only_the_headers(site: Site) -> None:
    answer = site.send("HEAD", "/api/v1/recognizers")

    assert (answer.status, answer.body, answer.is_json) == (405, b"", True)


def test_no_address_begins_a_line_of_its_own(site: Site) -> None:
    site.send("GET", "/%0aERROR%20webapp:%20forged%1b[2J%e2%80%ae")

    (line,) = site.new_lines()
    assert line.isprintable()


@pytest.mark.parametrize("address", ["/", PAGE, "/?page=%E8%AF%86", "/api/v1/recognizers", "/api/v1/openapi.json"])
def test_what_is_good_is_answered_as_ever(address: str, site: Site) -> None:
    assert site.send("GET", address, COOKIE).status == 200
    assert site.new_lines() == []


def test_an_address_in_chinese_is_only_not_there(site: Site) -> None:
    assert site.send("GET", "/%E8%AF%86%E5%88%AB/").status == 404
    assert "bad" not in site.new_lines()[0].lower()
