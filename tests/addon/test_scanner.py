"""Scans in a process of their own: real ones."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil
import pytest

from addon.scanner import Scanner, _in_words
from hashdb.store import HashStore
from tests.addon.held import MIB, content_of, until


def scanner_of(data_dir: Path, *folders: Path, min_size: int = 1) -> Scanner:
    scanner = Scanner()
    scanner.set(data_dir, folders, min_size)
    return scanner


async def over(scanner: Scanner) -> str:
    assert scanner._task is not None
    await asyncio.wait([scanner._task])
    return scanner.last


async def scan(scanner: Scanner) -> str:
    assert scanner.start()
    return await over(scanner)


def known(data_dir: Path) -> set[str]:
    with HashStore.open(data_dir) as store:
        return {Path(row.path).name for row in store.known_rows()}


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    (made / "large").write_bytes(content_of(5000))
    (made / "small").write_bytes(b"x")
    return made


def test_a_scan(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    scanner = scanner_of(tmp_path / "data", folder, min_size=1000)
    assert scanner.last == "none yet"
    last = asyncio.run(scan(scanner))
    assert last.startswith("indexed in ")
    assert "1 hashed, 0 unchanged" in last
    assert known(tmp_path / "data") == {"large"}
    assert f"indexing {folder}" in caplog.text
    assert last in caplog.text
    assert not scanner.running


def test_two_folders_with_awkward_names(folder: Path, tmp_path: Path) -> None:
    awkward = tmp_path / "-- a 'name'\n"
    awkward.mkdir()
    (awkward / "other").write_bytes(content_of(5000, seed=2))
    asyncio.run(scan(scanner_of(tmp_path / "data", folder, awkward, min_size=1000)))
    assert known(tmp_path / "data") == {"large", "other"}


def test_nothing_to_scan(tmp_path: Path) -> None:
    async def run() -> bool:
        return scanner_of(tmp_path / "data").start()

    assert asyncio.run(run()) is False


def test_a_folder_that_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    last = asyncio.run(scan(scanner_of(tmp_path / "data", tmp_path / "gone")))
    assert str(tmp_path / "gone") in last or "0 hashed" in last
    assert "Traceback" not in last + caplog.text


def test_a_database_that_cannot_be_used(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "data").touch()
    last = asyncio.run(scan(scanner_of(tmp_path / "data", folder)))
    assert last.startswith("the scan failed (exit code 3): ")
    assert "The hash database" in last
    assert last in caplog.text


def test_one_at_a_time(folder: Path, tmp_path: Path) -> None:
    async def run() -> tuple[bool, bool, bool]:
        scanner = scanner_of(tmp_path / "data", folder)
        started = scanner.start(), scanner.start()
        assert scanner.running
        await over(scanner)
        again = scanner.start()
        await over(scanner)
        return *started, again

    assert asyncio.run(run()) == (True, False, True)


def stuck(tmp_path: Path) -> Path:
    """A folder whose scan takes long: a sparse file reads as zeroes for minutes."""
    folder = tmp_path / "stuck"
    folder.mkdir()
    (folder / "sparse").touch()
    os.truncate(folder / "sparse", 1 << 40)
    return folder


def test_stopping_in_the_middle(tmp_path: Path) -> None:
    async def run() -> int:
        scanner = scanner_of(tmp_path / "data", stuck(tmp_path))
        scanner.start()
        await until((tmp_path / "data").exists)
        seen = len(children())
        scanner.stop()
        assert scanner._task is not None
        await asyncio.wait([scanner._task], timeout=20)
        assert not scanner.running
        return seen

    assert asyncio.run(run()) == 1
    assert children() == []


def test_stopping_at_once(folder: Path, tmp_path: Path) -> None:
    async def run() -> None:
        scanner = scanner_of(tmp_path / "data", folder)
        scanner.start()
        scanner.stop()
        await over(scanner)

    asyncio.run(run())
    assert children() == []


def test_stopping_what_does_not_run() -> None:
    Scanner().stop()


def test_what_a_scan_said() -> None:
    said = (
        '{"hashed": 1, "unchanged": 2, "moved": 3, "vanished": 4, "seconds": 1.26,'
        ' "skipped": {"too_small": 5, "unreadable": 0}}\n'
    )
    assert _in_words(0, f"before\n{said}", "") == (
        "indexed in 1.3 s: 1 hashed, 2 unchanged, 3 moved, 4 vanished, 5 too small"
    )


@pytest.mark.parametrize("out", ["", "{}", "nonsense", "[]", "null", '{"hashed": 1}', '{"skipped": 1}', "1" * MIB])
def test_what_a_scan_did_not_say(out: str) -> None:
    assert _in_words(9, out, "first\nthe reason\n") == "the scan failed (exit code 9): the reason"
    assert _in_words(-15, out, "") == "the scan failed (exit code -15): it said nothing"
