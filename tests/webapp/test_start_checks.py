from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.disks import mounted
from tests.site import free_port
from webapp.environment import WrongStart
from webapp.start_checks import check_clock, check_data_dir, check_port, site_lock

needs_root = pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="only root may give files away")


@pytest.fixture
def listener() -> Iterator[int]:
    """The number of a port that is taken."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield int(server.getsockname()[1])


def test_a_port_that_is_taken_is_refused_with_another_to_take(listener: int) -> None:
    with pytest.raises(WrongStart, match=rf"PORT is {listener}, where another program .+PORT={listener + 1} make"):
        check_port("127.0.0.1", str(listener))


@pytest.mark.parametrize("port", ["http", "80 80", "-1", "0", "65536", "8000.0", "８０"])
def test_a_port_that_is_no_number_of_one_is_named(port: str) -> None:
    with pytest.raises(WrongStart, match=f"PORT is '{port}'; expected a number from 1 to 65535"):
        check_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "::1", "[::1]", "[::]"])  # noqa: S104
def test_a_free_port_of_this_machine_is_taken_in_every_spelling(host: str) -> None:
    port = free_port()

    check_port(host, str(port))

    with socket.socket() as server:  # nothing listens there
        assert server.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_a_host_that_is_not_this_machine_is_named(host: str, listener: int) -> None:
    with pytest.raises(WrongStart, match=f"HOST is '{host}', which is no address of this machine"):
        check_port(host, str(listener))


def test_a_free_port_is_free_afterwards(listener: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    for _ in range(2):
        check_port("127.0.0.1", str(port))


def test_a_clock_before_the_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongStart, match="The clock says 1970-01-01 00:00 UTC, but this release"):
        check_clock(tmp_path, [], datetime(1970, 1, 1, tzinfo=UTC))


def test_a_clock_far_behind_what_is_here_is_refused_and_one_a_little_behind_is_not(tmp_path: Path) -> None:
    database = tmp_path / "discern.sqlite3"
    database.touch()
    written = datetime.fromtimestamp(database.stat().st_mtime, UTC)

    check_clock(tmp_path, [database], written - timedelta(hours=23))
    with pytest.raises(WrongStart, match=rf"but {database} was written on .+touch {database}"):
        check_clock(tmp_path, [database], written - timedelta(hours=25))


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for data_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(WrongStart, match=f"{tmp_path / 'file'} is no folder"):
            check_data_dir(data_dir, [])


def test_a_full_disk_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "1m") as disk:
        with pytest.raises(WrongStart, match="on a disk with 1 MB left; expected at least 64 MB"):
            check_data_dir(disk / "data", [])

        assert list(disk.iterdir()) == []


def test_a_disk_that_cannot_be_written_to_is_refused_with_the_folders_owner(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "100m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

        with pytest.raises(WrongStart, match=r"root cannot write to .+Read-only file system; it belongs to root"):
            check_data_dir(disk, [])


@needs_root
def test_what_belongs_to_another_user_is_refused_with_both_names(tmp_path: Path) -> None:
    shutil.chown(tmp_path, "nobody")
    check_data_dir(tmp_path, [])  # a folder that was made for a container's root
    (tmp_path / "secret_key").touch()
    shutil.chown(tmp_path / "secret_key", "nobody")

    with pytest.raises(WrongStart, match=rf"secret_key belongs to nobody, .+ by root.+ chown -R 0 {tmp_path}"):
        check_data_dir(tmp_path, [])


def test_a_look_leaves_nothing_behind_and_makes_no_folder(tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))

    check_data_dir(tmp_path / "new" / "data", [])

    assert set(tmp_path.rglob("*")) == before


def test_hosts_that_share_a_folder_and_its_servers_each_run_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = [tmp_path / "discern.sqlite3"]
    monkeypatch.setattr(socket, "gethostname", lambda: "second")

    assert site_lock(tmp_path, [], "redis://queue/0") == tmp_path / "running-second.lock"
    assert site_lock(tmp_path, database, "redis://queue/0") == site_lock(tmp_path, [], "") == tmp_path / "running.lock"
