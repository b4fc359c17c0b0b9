"""Whatever is wrong with the hash database: the log says what to do, and downloads go on."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hashdb.database import FILE_NAME
from tests.origin import Origin
from tests.system import clients
from tests.system.conftest import MIB, ProxyFactory, claim, index_file, indexed_paths, random_content, wait_until
from tests.system.processes import Proxy

FILE = random_content(8 * MIB, seed=71)
PLAIN = "nearfetch; fwd=miss"
CANDIDATE = "nearfetch; fwd=miss; detail=candidate"


def garbage(database: Path) -> None:
    database.write_bytes(random_content(MIB, seed=72))


def truncated(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2 + 100)


def cut_in_its_head(database: Path) -> None:
    os.truncate(database, 50)


def newer(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version=999")


def of_another_program(database: Path) -> None:
    database.unlink()
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")


def a_folder(database: Path) -> None:
    database.unlink()
    database.mkdir()


def file_for_a_folder(database: Path) -> None:
    database.unlink()
    database.parent.rmdir()
    database.parent.write_bytes(b"not a folder")


AT_START: dict[Callable[[Path], None], str] = {
    garbage: "is damaged .* move it and its -wal and -shm files away, then scan again",
    truncated: "is damaged .* move it and its -wal and -shm files away, then scan again",
    cut_in_its_head: "is damaged .* move it and its -wal and -shm files away, then scan again",
    newer: r"was written by a newer Nearfetch \(schema 999, known: \d+\): update Nearfetch, or use another",
    of_another_program: "is damaged .it holds tables that Nearfetch did not make",
    a_folder: "cannot be used: it is not a regular file",
    file_for_a_folder: "cannot be used: .*/data is not a folder",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a proxy to come: its database knows a copy of FILE."""
    (tmp_path / "copy.bin").write_bytes(FILE)
    index_file(tmp_path / "proxy" / "data", tmp_path / "copy.bin")
    return tmp_path / "proxy"


@pytest.fixture(autouse=True)
def offered(origin: Origin) -> None:
    clients.require("curl")
    origin.rate = 50e6
    origin.add("/file", FILE, headers=claim(FILE))


def assert_downloads(origin: Origin, proxy: Proxy, downloads: Path, cache_status: str) -> None:
    result = clients.curl(origin.url("/file"), downloads / "out", proxy=proxy)
    assert (result.exit_code, result.status, result.header("Cache-Status")) == (0, 200, cache_status)
    assert result.path.read_bytes() == FILE
    assert "Traceback" not in proxy.log


def assert_told_once(proxy: Proxy, pattern: str) -> None:
    sentence = rf"Nearfetch: .*{pattern}"
    proxy.wait_for_log(sentence)
    assert proxy.log.count("downloads go on as plain ones") == 1


@pytest.mark.parametrize("harm", AT_START)
def test_unusable_at_start(
    origin: Origin, proxy_factory: ProxyFactory, folder: Path, downloads: Path, harm: Callable[[Path], None]
) -> None:
    harm(database := folder / "data" / FILE_NAME)
    before = database.read_bytes() if database.is_file() else b""
    proxy = proxy_factory(folder=folder, min_size="1m")
    assert_told_once(proxy, AT_START[harm])
    for _ in range(2):
        assert_downloads(origin, proxy, downloads, PLAIN)
    assert_told_once(proxy, AT_START[harm])
    assert (database.read_bytes() if database.is_file() else b"") == before, "what is not ours stays as it is"


@contextlib.contextmanager
def locked(database: Path, mode: str) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA locking_mode={mode}")
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def test_locked_at_start(origin: Origin, proxy_factory: ProxyFactory, folder: Path, downloads: Path) -> None:
    with locked(folder / "data" / FILE_NAME, "EXCLUSIVE"):
        proxy = proxy_factory(folder=folder, min_size="1m")
        assert_told_once(proxy, "is locked by another program: wait for it or close it")
        for _ in range(2):
            assert_downloads(origin, proxy, downloads, PLAIN)


def test_writer_does_not_hinder_lookups(
    origin: Origin, proxy_factory: ProxyFactory, folder: Path, downloads: Path
) -> None:
    """A scan that writes while the proxy starts and runs."""
    with locked(folder / "data" / FILE_NAME, "NORMAL"):
        proxy = proxy_factory(folder=folder, min_size="1m")
        assert_downloads(origin, proxy, downloads, CANDIDATE)


def test_record_that_cannot_be_forgotten(
    origin: Origin, proxy_factory: ProxyFactory, folder: Path, tmp_path: Path, downloads: Path
) -> None:
    proxy = proxy_factory(folder=folder, min_size="1m")
    (tmp_path / "copy.bin").write_bytes(b"another")
    with locked(folder / "data" / FILE_NAME, "NORMAL"):
        assert_downloads(origin, proxy, downloads, CANDIDATE)
        proxy.wait_for_log("is locked by another program: wait for it or close it")
    assert indexed_paths(proxy.data_dir) == {str(tmp_path / "copy.bin")}
    assert_downloads(origin, proxy, downloads, CANDIDATE)
    wait_until(lambda: indexed_paths(proxy.data_dir) == set(), "the next download drops the record")


@pytest.mark.parametrize("harm", [garbage, truncated, cut_in_its_head])
def test_damaged_while_running(
    origin: Origin, proxy_factory: ProxyFactory, folder: Path, downloads: Path, harm: Callable[[Path], None]
) -> None:
    proxy = proxy_factory(folder=folder, min_size="1m")
    assert_downloads(origin, proxy, downloads, CANDIDATE)
    harm(folder / "data" / FILE_NAME)
    result = clients.curl(origin.url("/file"), downloads / "out", proxy=proxy)
    assert (result.exit_code, result.path.read_bytes() == FILE) == (0, True)
    assert "Traceback" not in proxy.log


@pytest.mark.parametrize("what", ["database", "folder"])
def test_deleted_while_running(
    origin: Origin, proxy_factory: ProxyFactory, folder: Path, downloads: Path, what: str
) -> None:
    """What is open can still be read; that nothing can be written any more is told when it matters."""
    proxy = proxy_factory(folder=folder, min_size="1m")
    assert_downloads(origin, proxy, downloads, CANDIDATE)
    for file in (folder / "data").iterdir():
        file.unlink()
    if what == "folder":
        (folder / "data").rmdir()
    (folder.parent / "copy.bin").write_bytes(b"another")
    for _ in range(2):
        result = clients.curl(origin.url("/file"), downloads / "out", proxy=proxy)
        assert (result.exit_code, result.path.read_bytes() == FILE) == (0, True)
    proxy.wait_for_log("There is no hash database .*: run `nearfetch-hashdb scan` to make it")
    assert "Traceback" not in proxy.log


def test_folder_that_may_not_be_written(
    origin: Origin, proxy_factory: ProxyFactory, folder: Path, downloads: Path
) -> None:
    """Lookups need no writing."""
    if os.geteuid() == 0:
        pytest.skip("the superuser may write anywhere")
    (folder / "data" / FILE_NAME).chmod(0o400)
    (folder / "data").chmod(0o500)
    proxy = proxy_factory(folder=folder, min_size="1m")
    assert_downloads(origin, proxy, downloads, CANDIDATE)


def test_no_database_yet(origin: Origin, proxy_factory: ProxyFactory, tmp_path: Path, downloads: Path) -> None:
    proxy = proxy_factory(min_size="1m")
    assert_downloads(origin, proxy, downloads, PLAIN)
    (tmp_path / "copy.bin").write_bytes(FILE)
    index_file(proxy.data_dir, tmp_path / "copy.bin")
    assert_downloads(origin, proxy, downloads, CANDIDATE)
    assert (proxy.data_dir.stat().st_mode & 0o777, (proxy.data_dir / FILE_NAME).stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
