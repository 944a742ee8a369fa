from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from webapp.checks import the_proxies_are_named
from webapp.operations.access import is_local
from webapp.trusted_proxies import TrustedProxies, network_of, parsed

ROOT = Path(__file__).parents[2]
PROXY, VISITOR, ELSEWHERE = "10.0.0.5", "203.0.113.9", "198.51.100.7"


@pytest.fixture(autouse=True)
def _named(settings: Any) -> None:
    settings.TRUSTED_PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::5"))


def through(peer: str, **headers: str) -> HttpRequest:
    """The request as views get it."""
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    names = {name.replace("_", "-"): value for name, value in headers.items()}
    TrustedProxies(view)(RequestFactory().get("/", headers=names, REMOTE_ADDR=peer))
    return seen[0]


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        (PROXY, VISITOR, VISITOR),
        (PROXY, f"1.1.1.1, {VISITOR}", VISITOR),  # the visitor sent the first one
        (PROXY, f"1.1.1.1, {VISITOR}, 10.1.1.1", VISITOR),  # two proxies of ours
        (PROXY, "10.2.2.2, 10.1.1.1", "10.2.2.2"),  # somebody at a machine we trust
        (PROXY, f"{VISITOR}:51034", VISITOR),
        (PROXY, "[2001:db8:1::7]:443", "2001:db8:1::7"),
        (PROXY, "2001:DB8:1::7", "2001:db8:1::7"),
        (PROXY, f"::ffff:{VISITOR}", VISITOR),
        (PROXY, "unknown", PROXY),
        (PROXY, f"{VISITOR}, _hidden, 10.1.1.1", "10.1.1.1"),
        (PROXY, " , ,", PROXY),
        (PROXY, "", PROXY),
        (f"::ffff:{PROXY}", VISITOR, VISITOR),
        ("2001:db8::5", VISITOR, VISITOR),
        (ELSEWHERE, VISITOR, ELSEWHERE),
        ("127.0.0.1", VISITOR, "127.0.0.1"),
        ("", VISITOR, ""),
    ],
)
def test_the_address_is_what_named_proxies_say(peer: str, said: str, client: str) -> None:
    assert through(peer, X_Forwarded_For=said).META["REMOTE_ADDR"] == client


def test_a_unix_socket_can_be_named(settings: Any) -> None:
    settings.TRUSTS_UNIX_SOCKET = True

    for peer in ("", "localhost"):  # as servers call it
        assert through(peer, X_Forwarded_For=VISITOR).META["REMOTE_ADDR"] == VISITOR


def test_scheme_and_host_come_from_the_named_proxy() -> None:
    request = through(PROXY, X_Forwarded_For=VISITOR, X_Forwarded_Proto="https", X_Forwarded_Host="localhost:444")

    assert request.build_absolute_uri("/") == "https://localhost:444/"


def test_what_the_visitor_said_of_the_scheme_is_not_believed() -> None:
    both = {"X_Forwarded_For": f"1.1.1.1, {VISITOR}", "X_Forwarded_Proto": "https, http"}

    assert not through(PROXY, **both).is_secure()


def test_the_outermost_of_two_proxies_knows_the_scheme() -> None:
    both = {"X_Forwarded_For": f"{VISITOR}, 10.1.1.1", "X_Forwarded_Proto": "https, http"}

    assert through(PROXY, **both).is_secure()


def test_a_host_that_is_not_ours_is_refused(client: Client, db: None) -> None:
    assert client.get("/", headers={"X-Forwarded-Host": "evil.example"}, REMOTE_ADDR=PROXY).status_code == 400


def test_from_others_the_headers_are_gone() -> None:
    headers = {"X_Forwarded_For": VISITOR, "X_Forwarded_Proto": "https", "X_Forwarded_Host": "evil.example"}
    request = through(ELSEWHERE, **headers)

    assert not any(name.replace("_", "-") in request.headers for name in headers)
    assert (request.is_secure(), request.get_host()) == (False, "testserver")


# --- HTTPS
def test_an_installation_behind_https_that_names_no_proxy_goes_on(client: Client, db: None, settings: Any) -> None:
    settings.TRUSTED_PROXIES = ()
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_SSL_REDIRECT = True

    for peer in ("127.0.0.1", ELSEWHERE):
        assert client.get("/", headers={"X-Forwarded-Proto": "https"}, REMOTE_ADDR=peer).status_code == 200
        assert client.get("/", REMOTE_ADDR=peer).status_code == 301


def test_where_the_proxy_is_named_nobody_else_speaks_https(client: Client, db: None, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/", headers={"X-Forwarded-Proto": "https"}, REMOTE_ADDR=PROXY).status_code == 200
    assert client.get("/", headers={"X-Forwarded-Proto": "https"}, REMOTE_ADDR=ELSEWHERE).status_code == 301


@pytest.mark.parametrize(
    ("https", "proxies", "believed"),
    [
        ("true", "", "('HTTP_X_FORWARDED_PROTO', 'https')"),
        ("true", "127.0.0.1", "None"),
        ("true", "unix", "None"),
        ("", "", "None"),
    ],
)
def test_what_the_environment_makes_of_it(https: str, proxies: str, believed: str, tmp_path: Path) -> None:
    env = os.environ | {"HTTPS": https, "TRUSTED_PROXIES": proxies, "DATA_DIR": str(tmp_path)}
    code = "import webapp.settings as s; print(s.SECURE_PROXY_SSL_HEADER)"

    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)

    assert said.stdout.strip() == believed


def test_behind_https_the_check_asks_for_the_proxies(settings: Any) -> None:
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, https=True)
    assert the_proxies_are_named(None) == []

    settings.TRUSTED_PROXIES = ()

    assert [warning.id for warning in the_proxies_are_named(None)] == ["discern.W001"]


def test_an_unnamed_proxy_is_told_of_once(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.TRUSTED_PROXIES = ()
    middleware = TrustedProxies(lambda request: HttpResponse())

    for _ in range(3):
        middleware(RequestFactory().get("/", headers={"X-Forwarded-For": VISITOR}))

    assert [record.getMessage()[:34] for record in caplog.records] == ["127.0.0.1 sends X-Forwarded-For, b"]


# --- this machine
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_what_this_machine_asks_itself_is_local(peer: str) -> None:
    assert is_local(through(peer))


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"])
def test_an_unnamed_proxy_on_this_machine_is_not(name: str) -> None:
    assert not is_local(through("127.0.0.1", **{name: "127.0.0.1"}))


def test_nothing_that_comes_through_a_named_proxy_is_local(settings: Any) -> None:
    assert not is_local(through(PROXY, X_Forwarded_For="127.0.0.1"))

    settings.TRUSTED_PROXIES = (ipaddress.ip_network("127.0.0.1"),)

    assert not is_local(through("127.0.0.1", X_Forwarded_For="127.0.0.1"))
    assert not is_local(through("127.0.0.1"))  # a proxy that says nothing looks the same


@pytest.mark.parametrize("peer", ["", "localhost", VISITOR, "unix:/run/discern.sock"])
def test_a_socket_and_another_machine_are_not_local(peer: str) -> None:
    assert not is_local(through(peer))


# --- addresses
@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "1.2.3.4.5", "::1]", "a:1", "１.2.3.4", "1.2.3.4/8"])
def test_what_is_no_address_is_none(text: str) -> None:
    assert parsed(text) is None


def test_a_zone_is_left_out() -> None:
    assert str(parsed("fe80::1%eth0")) == "fe80::1"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (VISITOR, VISITOR),
        (f"::ffff:{VISITOR}", VISITOR),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", "socket"),
    ],
)
def test_a_household_counts_as_one(address: str, network: str) -> None:
    assert network_of(address) == network
