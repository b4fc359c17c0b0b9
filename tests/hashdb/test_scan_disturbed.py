from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from hashdb.errors import StoreLockedError
from hashdb.progress import Progress
from hashdb.records import Record
from hashdb.store import HashStore
from hashdb.walk import Skip
from tests.hashdb.scenes import (
    MIB,
    bound_by_mode_bits,
    paths,
    raw,
    scan_all,
    sha1,
    sha256,
    write,
)


def test_a_file_that_changes_while_it_is_read_is_not_recorded(store: HashStore, folder: Path) -> None:
    file = write(folder / "a", bytes(3 * MIB))
    scan_all(store, folder)
    file.write_bytes(bytes(4 * MIB))

    def write_once(moment: Progress) -> None:
        if moment.bytes_done < MIB:
            with file.open("r+b") as writable:
                writable.write(b"changed")

    outcome = scan_all(store, folder, on_progress=write_once)
    assert (outcome.hashed, outcome.changed_while_read) == (0, 1)
    assert outcome.complaints == [(str(file), "it changed while it was read")]
    assert paths(store) == set(), "what was known of it before does not hold either"


@pytest.mark.parametrize("change", ["grow", "shrink", "replace", "remove"])
def test_whatever_happens_while_it_is_read(store: HashStore, folder: Path, change: str) -> None:
    file = write(folder / "a", bytes(3 * MIB))

    def disturb(moment: Progress) -> None:
        if moment.files_done:
            return
        if change == "grow":
            with file.open("ab") as writable:
                writable.write(b"more")
        elif change == "shrink":
            os.truncate(file, 2 * MIB)
        elif change == "replace":
            write(folder / "other", bytes(3 * MIB)).replace(file)
        else:
            file.unlink(missing_ok=True)

    outcome = scan_all(store, folder, on_progress=disturb)
    assert (outcome.hashed, outcome.changed_while_read) == (0, 1)
    assert paths(store) == set()


@pytest.mark.parametrize("change", ["link", "pipe", "gone"])
def test_what_was_replaced_before_it_was_opened(store: HashStore, folder: Path, change: str) -> None:
    write(folder / "a", bytes(MIB))
    write(folder / "b", bytes(MIB))
    replaced: set[str] = set()

    def replace_the_other(moment: Progress) -> None:
        other = folder / ("b" if moment.path.endswith("a") else "a")
        if not replaced:
            replaced.add(str(other))
            other.unlink()
            if change == "link":
                other.symlink_to(moment.path)
            elif change == "pipe":
                os.mkfifo(other)

    outcome = scan_all(store, folder, jobs=1, on_progress=replace_the_other)
    assert outcome.hashed == 1
    assert outcome.changed_while_read == (change != "gone")
    assert outcome.skipped.counts[Skip.VANISHED] == (change == "gone")
    assert not paths(store) & replaced


def test_a_file_with_holes(store: HashStore, folder: Path) -> None:
    file = folder / "sparse"
    file.touch()
    os.truncate(file, 20 * MIB)
    scan_all(store, folder)
    assert len(store.find([sha256(bytes(20 * MIB))])) == 1


def test_what_cannot_be_read_is_said_and_keeps_its_records() -> None:
    top = Path(tempfile.mkdtemp(prefix="nearfetch-test-"))
    top.chmod(0o777)
    with bound_by_mode_bits(), HashStore.open(top / "data") as store:
        hidden = write(top / "files/folder/a", b"a")
        unreadable = write(top / "files/b", b"b")
        scan_all(store, top / "files")
        unreadable.chmod(0)
        hidden.parent.chmod(0)
        outcome = scan_all(store, top / "files")
        hidden.parent.chmod(0o700)
        assert (outcome.failed, outcome.vanished) == (1, 0)
        assert outcome.complaints == [(str(unreadable), "Permission denied")]
        assert outcome.skipped.counts == {Skip.UNREADABLE: 1}
        assert outcome.skipped.examples == {Skip.UNREADABLE: [str(hidden.parent)]}
        assert paths(store) == {str(hidden)}, "the other file changed, and its record no longer holds"
    shutil.rmtree(top)


def test_progress_comes_to_the_whole(store: HashStore, folder: Path) -> None:
    sizes = [0, 1, MIB, 2 * MIB + 1]
    for size in sizes:
        write(folder / str(size), bytes(size))
    moments: list[Progress] = []
    scan_all(store, folder, min_size=0, jobs=1, on_progress=moments.append)
    last = moments[-1]
    assert (last.files_done, last.files_total) == (4, 4)
    assert last.bytes_done == last.bytes_total == sum(sizes)
    assert [moment.bytes_done for moment in moments] == sorted(moment.bytes_done for moment in moments)


def test_stopping_keeps_what_is_hashed(store: HashStore, folder: Path) -> None:
    for number in range(6):
        write(folder / str(number), bytes(MIB + number))
    stop = threading.Event()

    def stop_after_three(moment: Progress) -> None:
        if moment.files_done == 3:
            stop.set()

    outcome = scan_all(store, folder, jobs=1, on_progress=stop_after_three, stop=stop)
    assert (outcome.interrupted, outcome.hashed) == (True, 3)
    assert store.statistics().files == 3
    rest = scan_all(store, folder)
    assert store.statistics().files == 6
    assert not rest.interrupted


def test_stopping_does_not_wait_for_the_end_of_a_file(store: HashStore, folder: Path) -> None:
    with (folder / "huge").open("wb") as huge:
        huge.truncate(1 << 42)
    stop = threading.Event()
    outcome = scan_all(store, folder, on_progress=lambda _: stop.set(), stop=stop)
    assert (outcome.interrupted, outcome.hashed) == (True, 0)


def test_an_error_in_a_thread_ends_the_scan(store: HashStore, folder: Path) -> None:
    for number in range(4):
        write(folder / str(number), bytes(MIB))

    def fail(_: Progress) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        scan_all(store, folder, on_progress=fail)


class ReleasingStore(HashStore):
    """Lets the lock of another program go once a batch has failed because of it."""

    other: sqlite3.Connection
    failed = 0

    def apply(self, records: Sequence[Record], forgotten: Iterable[int] = ()) -> None:
        try:
            super().apply(records, forgotten)
        except StoreLockedError:
            self.failed += 1
            self.other.rollback()
            raise


def test_a_lock_for_a_while_loses_nothing(folder: Path, data_dir: Path) -> None:
    write(folder / "a", b"a")
    with ReleasingStore.open(data_dir, busy_timeout_ms=20) as store:
        store.other = raw(data_dir)
        store.other.execute("BEGIN IMMEDIATE")
        assert scan_all(store, folder).hashed == 1
        store.other.close()
        assert store.failed == 1
        assert len(store.find([sha1(b"a")])) == 1


def test_a_lock_that_stays_ends_the_scan(store: HashStore, folder: Path, data_dir: Path) -> None:
    write(folder / "a", b"a")
    other = raw(data_dir)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreLockedError):
        scan_all(store, folder)
    other.close()
