"""The configurations of docs/proxy, as they lie there but for ports and certificate, before a site of their own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.processes import wait_until
from tests.site import ROOT, free_port

EXAMPLES = ROOT / "docs" / "proxy"
NAME = "discern.example"
ARRIVED = threading.Event()  # the head of an upload, at the site


class Echo(BaseHTTPRequestHandler):
    """Answers with the headers that it got."""

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        ARRIVED.set()
        self.close_connection = True

    def log_message(self, *arguments: object) -> None: ...


class Answer(NamedTuple):
    status: int
    location: str
    body: bytes


@dataclass(frozen=True)
class Proxy:
    http: int
    https: int
    context: ssl.SSLContext

    def get(self, *, secure: bool = True, headers: dict[str, str] | None = None) -> Answer:
        connection = self.connection() if secure else HTTPConnection("127.0.0.1", self.http, timeout=30)
        connection.request("GET", "/r/digits/?a=b", headers={"Host": NAME, **(headers or {})})
        with closing(connection):
            response = connection.getresponse()
            return Answer(response.status, response.headers["Location"] or "", response.read())

    def connection(self) -> HTTPSConnection:
        return Named("127.0.0.1", self.https, timeout=30, context=self.context)

    def answers(self) -> bool:
        try:
            return self.get().status == 200
        except OSError:
            return False


class Named(HTTPSConnection):
    """Connects to an address and asks for the site by its name."""

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = self._context.wrap_socket(plain, server_hostname=NAME)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME} -addext subjectAltName=DNS:{NAME}"
    subprocess.run(
        [*command.split(), "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder,
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return folder


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def proxy(
    request: pytest.FixtureRequest, certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    if not shutil.which(request.param, path=f"{os.environ['PATH']}:/usr/sbin"):
        pytest.skip(f"no {request.param} (Debian: apt install {request.param})")
    folder = tmp_path_factory.mktemp(request.param)
    site = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    made = Proxy(free_port(), free_port(), ssl.create_default_context(cafile=str(certificate / "certificate.pem")))
    command = (nginx if request.param == "nginx" else caddy)(folder, certificate, site.server_port, made)
    home = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(command, env=home, stdout=output, stderr=output)
    try:
        assert wait_until(made.answers), (folder / "output.txt").read_text()
        yield made
    finally:
        process.terminate()
        process.wait(20)
        site.shutdown()
        site.server_close()


def nginx(folder: Path, certificate: Path, site: int, proxy: Proxy) -> list[str]:
    text = (EXAMPLES / "nginx.conf").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{site}")
    text = text.replace("/etc/ssl/discern", str(certificate)).replace("listen 80;", f"listen 127.0.0.1:{proxy.http};")
    (folder / "site.conf").write_text(text.replace("listen 443 ssl", f"listen 127.0.0.1:{proxy.https} ssl"))
    paths = "".join(
        f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    http = f"http {{ access_log off; {paths} include {folder}/site.conf; }}"
    (folder / "nginx.conf").write_text(f"daemon off; pid {folder}/pid; error_log stderr; events {{}} {http}")
    return ["/usr/sbin/nginx", "-e", "stderr", "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, certificate: Path, site: int, proxy: Proxy) -> list[str]:
    text = (EXAMPLES / "Caddyfile").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{site}")
    tls = f"{NAME} {{\n\ttls {certificate}/certificate.pem {certificate}/key.pem\n"
    ports = f"{{\n\tadmin off\n\thttp_port {proxy.http}\n\thttps_port {proxy.https}\n}}\n"
    (folder / "Caddyfile").write_text(ports + text.replace(f"{NAME} {{\n", tls))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def test_a_page_comes_over_https_with_what_the_proxy_saw(proxy: Proxy) -> None:
    headers = json.loads(proxy.get().body)

    assert (headers["host"].partition(":")[0], headers["x-forwarded-proto"]) == (NAME, "https")
    assert (headers["x-forwarded-for"], headers["x-forwarded-host"].partition(":")[0]) == ("127.0.0.1", NAME)


def test_an_address_that_a_client_claims_is_not_passed_on(proxy: Proxy) -> None:
    claimed = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}

    headers = json.loads(proxy.get(headers=claimed).body)

    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("127.0.0.1", "https")
    assert headers["x-forwarded-host"].partition(":")[0] == NAME


def test_http_is_sent_to_https(proxy: Proxy) -> None:
    response = proxy.get(secure=False)

    assert response.status in (301, 308)
    assert response.location.startswith(f"https://{NAME}")
    assert response.location.endswith("/r/digits/?a=b")


def test_an_upload_reaches_the_site_before_it_is_whole(proxy: Proxy) -> None:
    ARRIVED.clear()
    connection = proxy.connection()
    connection.putrequest("POST", "/", skip_host=True)
    for name, value in (("Host", NAME), ("Content-Length", str(10**9))):
        connection.putheader(name, value)
    connection.endheaders(b"the first bytes of a zip")

    with closing(connection):
        assert ARRIVED.wait(30)


@pytest.mark.parametrize("proxy", ["nginx"], indirect=True)  # Caddy counts what comes, not what is promised
def test_more_than_two_gigabytes_are_refused(proxy: Proxy) -> None:
    connection = proxy.connection()
    connection.putrequest("POST", "/", skip_host=True)
    for name, value in (("Host", NAME), ("Content-Length", str(3 * 2**30))):
        connection.putheader(name, value)
    connection.endheaders()

    with closing(connection), connection.getresponse() as response:
        assert response.status == 413
