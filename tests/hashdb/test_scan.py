from __future__ import annotations

import os
from pathlib import Path

import pytest

from hashdb.progress import Progress
from hashdb.scan import Outcome
from hashdb.store import HashStore
from hashdb.walk import Skip
from tests.hashdb.scenes import (
    MIB,
    fingerprint,
    let_records_age,
    paths,
    put_mtime_back,
    scan_all,
    sha1,
    sha256,
    sums,
    write,
)


def counts(outcome: Outcome) -> tuple[int, int, int, int]:
    return outcome.hashed, outcome.unchanged, outcome.moved, outcome.vanished


def test_records_all_sums(store: HashStore, folder: Path) -> None:
    content = os.urandom(2 * MIB + 5)
    file = write(folder / "a", content)
    outcome = scan_all(store, folder)
    assert (counts(outcome), outcome.size) == ((1, 0, 0, 0), len(content))
    (known,) = store.find([sha1(content), sha256(content)])
    assert (known.path, known.fingerprint, known.sums) == (str(file), fingerprint(file), sums(content))


def test_unchanged_files_are_not_read(store: HashStore, folder: Path) -> None:
    for number in range(5):
        write(folder / f"{number}/a", b"%d" % number)
    scan_all(store, folder)
    let_records_age(store)
    read: list[Progress] = []
    assert counts(scan_all(store, folder, on_progress=read.append)) == (0, 5, 0, 0)
    assert read == []


def test_racily_clean_files_are_hashed_again(store: HashStore, folder: Path) -> None:
    file = write(folder / "a", b"a")
    scan_all(store, folder)
    let_records_age(store)
    (row,) = store.known_rows()
    store.record(str(file), row.fingerprint, row.ctime_ns + 1_999_999_999, sums(b"outdated"))
    assert counts(scan_all(store, folder)) == (1, 0, 0, 0)
    assert len(store.find([sha1(b"a")])) == 1


def test_changes_are_seen_even_where_the_time_was_put_back(store: HashStore, folder: Path) -> None:
    file = write(folder / "a", b"before")
    scan_all(store, folder)
    let_records_age(store)
    before = file.stat()
    file.write_bytes(b"after!")
    put_mtime_back(file, before)
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert counts(scan_all(store, folder)) == (1, 0, 0, 0)
    assert store.find([sha1(b"before")]) == []
    assert len(store.find([sha1(b"after!")])) == 1


def test_a_renamed_folder_keeps_its_digests_unread(store: HashStore, folder: Path) -> None:
    content = os.urandom(8 * MIB)
    write(folder / "old/a", content)
    scan_all(store, folder)
    let_records_age(store)
    (folder / "old").rename(folder / "new")
    outcome = scan_all(store, folder)
    assert (counts(outcome), outcome.size) == ((0, 0, 1, 0), 0)
    assert [known.path for known in store.find([sha1(content)])] == [str(folder / "new/a")]
    assert counts(scan_all(store, folder)) == (0, 1, 0, 0)


@pytest.mark.parametrize("block", [0, 1, 2])
def test_a_renamed_file_whose_blocks_differ_is_hashed(store: HashStore, folder: Path, block: int) -> None:
    file = write(folder / "a", os.urandom(2 * MIB + 9))
    scan_all(store, folder)
    let_records_age(store)
    before = file.stat()
    with file.open("r+b") as writable:
        writable.seek(block * MIB)
        writable.write(b"12345678")
    put_mtime_back(file, before)
    file.rename(folder / "b")
    assert counts(scan_all(store, folder)) == (1, 0, 0, 1)
    assert len(store.find([sha1((folder / "b").read_bytes())])) == 1
    assert paths(store) == {str(folder / "b")}


def test_only_three_blocks_are_compared(store: HashStore, folder: Path) -> None:
    file = write(folder / "a", bytes(64 * MIB))
    scan_all(store, folder)
    let_records_age(store)
    (row,) = store.known_rows()
    kept = store.sums_of(row.file_id)
    assert kept is not None
    spoilt = 0
    for attempt in range(20):
        before = file.stat()
        file = file.rename(folder / f"a{attempt}")
        with file.open("r+b") as writable:
            for block in range(1, 63, 2):
                writable.seek(block * MIB)
                writable.write(b"%08d" % attempt)
        put_mtime_back(file, before)
        store.apply([], [row.file_id for row in store.known_rows()])
        store.record(row.path, row.fingerprint, row.hashed_at_ns, kept)
        spoilt += scan_all(store, folder).moved
    assert 0 < spoilt < 20, "a random block of the middle: half of the attempts are noticed"


def test_files_that_swapped_names(store: HashStore, folder: Path) -> None:
    one, two = write(folder / "one", b"1"), write(folder / "two", b"2")
    scan_all(store, folder)
    let_records_age(store)
    one.rename(folder / "tmp")
    two.rename(one)
    (folder / "tmp").rename(two)
    assert counts(scan_all(store, folder)) == (0, 0, 2, 0)
    assert [known.path for known in store.find([sha1(b"1")])] == [str(two)]
    assert [known.path for known in store.find([sha1(b"2")])] == [str(one)]


def test_a_hard_link_is_hashed_and_takes_nothing_away(store: HashStore, folder: Path) -> None:
    file = write(folder / "a", b"a")
    scan_all(store, folder)
    let_records_age(store)
    (folder / "b").hardlink_to(file)
    scan_all(store, folder)
    assert {known.path for known in store.find([sha1(b"a")])} == {str(file), str(folder / "b")}


def test_a_file_that_moved_out_of_another_root_leaves_no_record_there(
    store: HashStore, folder: Path, tmp_path: Path
) -> None:
    file = write(tmp_path / "other/a", b"a")
    scan_all(store, tmp_path / "other")
    let_records_age(store)
    file.rename(folder / "a")
    assert counts(scan_all(store, folder)) == (0, 0, 1, 0)
    assert paths(store) == {str(folder / "a")}


def test_vanished_files_go(store: HashStore, folder: Path, tmp_path: Path) -> None:
    write(folder / "deep/a", b"a")
    stays = write(tmp_path / "other/b", b"b")
    scan_all(store, folder, tmp_path / "other")
    (folder / "deep/a").unlink()
    (folder / "deep").rmdir()
    assert scan_all(store, folder).vanished == 1
    assert paths(store) == {str(stays)}


def test_a_missing_root_keeps_its_records(store: HashStore, folder: Path) -> None:
    file = write(folder / "a", b"a")
    scan_all(store, folder)
    folder.rename(folder.with_name("unmounted"))
    outcome = scan_all(store, folder)
    assert outcome.vanished == 0
    assert outcome.skipped.counts == {Skip.MISSING_FOLDER: 1}
    assert paths(store) == {str(file)}


def test_a_larger_smallest_size_takes_nothing_away(store: HashStore, folder: Path) -> None:
    write(folder / "a", b"small")
    shrunk = write(folder / "b", b"was large")
    scan_all(store, folder)
    shrunk.write_bytes(b"tiny")
    assert scan_all(store, folder, min_size=6).vanished == 1
    assert paths(store) == {str(folder / "a")}
