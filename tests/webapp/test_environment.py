from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from webapp.environment import Environment, s3_options


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = "DATABASE_URL REDIS_URL SECRET_KEY TIME_ZONE TRUSTED_ORIGINS TRUSTED_PROXIES MIN_FREE_DISK"
    for name in names.split():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DEBUG", "perhaps", "true or false"),
        ("HTTPS", "2", "true or false"),
        ("ENGINE", "torch", "openvino or keras"),
        ("LOG_FORMAT", "xml", "plain or json"),
        ("DATABASE_URL", "mysql://host/name", "postgres://"),
        ("DATABASE_URL", "localhost:5432", "postgres://"),
        ("REDIS_URL", "http://host", "redis://"),
        ("REDIS_URL", "redis://host:port", "redis://"),
        ("STORAGE_URL", "bucket", "s3://"),
        ("TRUSTED_ORIGINS", "example.org", "https://"),
        ("TRUSTED_PROXIES", "proxy.example", "addresses or networks"),
        ("TRUSTED_PROXIES", "127.0.0.1,10.0.0.5/8", "'10.0.0.5/8' is none"),
        ("TRUSTED_PROXIES", "0.0.0.0/0", "everybody"),
        ("RATE_ANSWERS", "many", "such as 600/m"),
        ("RATE_ANSWERS", "0/m", "empty for no limit"),
        ("RATE_UPLOADS", "5/0m", "such as 600/m"),
        ("RATE_UPLOADS", "600/month", "s, m, h and d"),
        ("RATE_LOGINS", "20", "such as 600/m"),
        ("RATE_LOGINS", "-1/m", "such as 600/m"),
        ("MIN_FREE_DISK", "some", "such as 500 MB"),
        ("MIN_FREE_DISK", "500 MiB", "0 for none"),
        ("KEEP_PREDICTIONS_DAYS", "-1", "a whole number of days"),
        ("KEEP_PREDICTIONS_DAYS", "a month", "0 for ever"),
        ("TIME_ZONE", "Mars/Olympus", "Asia/Shanghai"),
        ("DATA_DIR", "/proc/discern", "can be written to"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(
    name: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured) as caught:
        Environment.read()

    message = str(caught.value)
    assert message.startswith(name)
    assert value in message
    assert expected in message


def test_with_nothing_set_all_is_embedded(tmp_path: Path) -> None:
    environment = Environment.read()

    assert environment.database["NAME"] == str(tmp_path / "discern.sqlite3")
    assert (environment.redis_url, environment.storage_url, environment.engine) == ("", "", "openvino")
    assert not environment.debug


def test_proxies_are_addresses_networks_and_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", "127.0.0.1, [::1],10.0.0.0/8,unix,")

    environment = Environment.read()

    assert [str(each) for each in environment.trusted_proxies] == ["127.0.0.1/32", "::1/128", "10.0.0.0/8"]
    assert environment.trusts_unix_socket


@pytest.mark.parametrize(
    ("value", "rates"),
    [
        ("600/m", ["600 per 1 minute"]),
        ("5/s", ["5 per 1 second"]),
        ("1000/d, 100/h", ["100 per 1 hour", "1000 per 1 day"]),  # the shorter first
        ("20 / 15 m", ["20 per 15 minute"]),
        ("", []),
        (" ", []),
    ],
)
def test_rates_are_so_many_in_a_time(value: str, rates: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_ANSWERS", value)

    assert [str(rate) for rate in Environment.read().rate_answers] == rates


@pytest.mark.parametrize(
    ("value", "num_bytes"),
    [("500 MB", 500_000_000), ("2.5GB", 2_500_000_000), ("1000", 1000), ("64 kB", 64_000), ("0", 0), ("", 0)],
)
def test_room_is_named_in_bytes_with_a_unit(value: str, num_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Environment.read().min_free_disk is None

    monkeypatch.setenv("MIN_FREE_DISK", value)

    assert Environment.read().min_free_disk == num_bytes


def test_postgresql_comes_from_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://me:secret@db.example:5433/discern")

    database = Environment.read().database

    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example", 5433, "discern")


def test_the_secret_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    first, second = Environment.read().secret_key, Environment.read().secret_key

    assert first == second
    assert len(first) >= 50
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0


def test_s3_options_come_from_the_address() -> None:
    options = s3_options("s3://pictures/discern?endpoint=https://minio.example:9000&region=eu")

    assert (options["bucket_name"], options["location"]) == ("pictures", "discern")
    assert (options["endpoint_url"], options["region_name"]) == ("https://minio.example:9000", "eu")
