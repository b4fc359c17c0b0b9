"""The hash database as the proxy uses it: real ones, and whatever may be wrong with them."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from addon import index as module
from addon.index import Index
from hashdb.database import FILE_NAME
from hashdb.records import KnownFile
from hashdb.store import HashStore
from tests.addon.held import hold

CONTENT = b"the content of a file"
OTHER = b"the content of another one"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder whose database knows one file."""
    record = hold(tmp_path / "a", CONTENT)
    with HashStore.open(tmp_path / "data") as store:
        store.record(record.path, record.fingerprint, 5, record.sums)
    return tmp_path / "data"


@pytest.fixture
def record(tmp_path: Path, data_dir: Path) -> KnownFile:
    """What is known of that file, but for its number in the database."""
    return hold(tmp_path / "b", CONTENT)


@pytest.fixture
def index() -> Iterator[Index]:
    made = Index()
    yield made
    made.close()
    made._writer.shutdown()


def find(index: Index, record: KnownFile) -> list[str]:
    return [Path(known.path).name for known in index.find([record.sums.sha256])]


def damage(data_dir: Path) -> None:
    for file in data_dir.iterdir():
        file.unlink()
    (data_dir / FILE_NAME).write_bytes(b"nonsense" * 1000)


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "downloads go on as plain ones" in record.getMessage()]


def test_a_file_that_is_known(
    index: Index, data_dir: Path, record: KnownFile, caplog: pytest.LogCaptureFixture
) -> None:
    index.open(data_dir)
    assert find(index, record) == ["a"]
    assert [known.sums for known in index.find([record.sums.sha1, record.sums.sha256])] == [record.sums]
    held = index.statistics()
    assert held is not None
    assert (held.files, held.file_bytes, index.problem) == (1, len(CONTENT), "")
    assert not caplog.records


def test_a_file_that_is_not_known(index: Index, data_dir: Path, tmp_path: Path) -> None:
    index.open(data_dir)
    assert find(index, hold(tmp_path / "c", OTHER)) == []


def test_before_it_is_opened(index: Index, record: KnownFile) -> None:
    assert find(index, record) == []
    assert index.statistics() is None
    index.forget(record, "it changed")
    index.close()


def test_a_folder_that_is_not_there_is_made(index: Index, tmp_path: Path, record: KnownFile) -> None:
    index.open(tmp_path / "new")
    assert find(index, record) == []
    assert index.problem == ""
    assert (tmp_path / "new" / FILE_NAME).exists()


def test_a_damaged_database_is_no_failure(
    index: Index, data_dir: Path, record: KnownFile, caplog: pytest.LogCaptureFixture
) -> None:
    damage(data_dir)
    index.open(data_dir)
    assert find(index, record) == []
    index._try_again_at = 0.0
    assert find(index, record) == []
    assert index.statistics() is None
    assert "damaged" in index.problem
    assert len(complaints(caplog)) == 1, "it is said once"
    assert all(said.levelno < logging.ERROR for said in caplog.records), "an error at its start would end the proxy"


def test_a_folder_that_is_a_file(index: Index, tmp_path: Path, record: KnownFile) -> None:
    (tmp_path / "file").touch()
    index.open(tmp_path / "file")
    assert find(index, record) == []
    assert "not a folder" in index.problem


def test_it_is_opened_again_after_a_while(
    index: Index, data_dir: Path, record: KnownFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = data_dir.with_name("good")
    shutil.copytree(data_dir, good)
    damage(data_dir)
    index.open(data_dir)
    shutil.rmtree(data_dir)
    good.rename(data_dir)
    assert find(index, record) == [], "not yet"
    monkeypatch.setattr(index, "_try_again_at", 0.0)
    assert find(index, record) == ["a"]
    assert index.problem == ""


def test_a_failed_try_is_not_repeated_at_once(index: Index, data_dir: Path, record: KnownFile) -> None:
    damage(data_dir)
    index.open(data_dir)
    index._try_again_at = 0.0
    find(index, record)
    assert index._try_again_at > module.REOPEN_SECONDS


def test_a_database_that_vanishes(
    index: Index, data_dir: Path, record: KnownFile, caplog: pytest.LogCaptureFixture
) -> None:
    index.open(data_dir)
    assert find(index, record) == ["a"]
    shutil.rmtree(data_dir)
    assert find(index, record) == []
    assert find(index, record) == []
    assert "no hash database" in index.problem
    assert len(complaints(caplog)) == 1


def test_a_database_that_comes_back(index: Index, data_dir: Path, record: KnownFile) -> None:
    index.open(data_dir)
    shutil.copytree(data_dir, data_dir.with_name("backup"))
    shutil.rmtree(data_dir)
    assert find(index, record) == []
    data_dir.with_name("backup").rename(data_dir)
    index._try_again_at = 0.0
    assert find(index, record) == ["a"]


def test_a_writer_does_not_stop_lookups(index: Index, data_dir: Path, record: KnownFile) -> None:
    index.open(data_dir)
    other = sqlite3.connect(data_dir / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert find(index, record) == ["a"]
    other.close()


def test_a_locked_database_is_no_failure(index: Index, data_dir: Path, record: KnownFile) -> None:
    other = sqlite3.connect(data_dir / FILE_NAME, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    index.open(data_dir)
    assert find(index, record) == []
    assert "locked" in index.problem
    other.close()


def test_forgetting(index: Index, data_dir: Path, record: KnownFile, caplog: pytest.LogCaptureFixture) -> None:
    index.open(data_dir)
    (known,) = index.find([record.sums.sha1])
    index.forget(known, "/a was changed")
    index._writer.submit(lambda: None).result(10)
    assert find(index, record) == []
    assert "/a was changed; it is forgotten until the next scan" in caplog.text


def test_what_was_found_again_meanwhile_is_not_forgotten(index: Index, data_dir: Path, record: KnownFile) -> None:
    index.open(data_dir)
    (known,) = index.find([record.sums.sha1])
    with HashStore.open(data_dir) as store:
        store.record(known.path, known.fingerprint, 6, known.sums)
    index.forget(known, "it was changed")
    index._writer.submit(lambda: None).result(10)
    assert find(index, record) == ["a"]


@pytest.mark.parametrize("locked", [False, True])
def test_forgetting_that_fails_costs_nothing(index: Index, data_dir: Path, record: KnownFile, locked: bool) -> None:
    index.open(data_dir)
    (known,) = index.find([record.sums.sha1])
    other = sqlite3.connect(data_dir / FILE_NAME, isolation_level=None)
    if locked:
        other.execute("BEGIN IMMEDIATE")
    else:
        shutil.rmtree(data_dir)
    index.forget(known, "it was changed")
    index._writer.submit(lambda: None).result(10)
    assert find(index, record) == (["a"] if locked else [])
    other.close()


def test_another_folder(index: Index, data_dir: Path, tmp_path: Path, record: KnownFile) -> None:
    index.open(data_dir)
    index.open(tmp_path / "elsewhere")
    assert find(index, record) == []
    index.open(data_dir)
    assert find(index, record) == ["a"]


def test_closed(index: Index, data_dir: Path, record: KnownFile) -> None:
    index.open(data_dir)
    index.close()
    index.close()
    assert index.statistics() is None
