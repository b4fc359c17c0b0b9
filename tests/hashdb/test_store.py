from __future__ import annotations

import stat
import threading
import time
from pathlib import Path

import pytest
from peewee import SqliteDatabase

from hashdb import schema
from hashdb.digest import Algorithm, Digest
from hashdb.errors import StoreError
from hashdb.fingerprint import Fingerprint
from hashdb.models import Content, File
from hashdb.records import Record
from hashdb.store import MAX_COPIES, HashStore
from tests.hashdb.scenes import paths, raw, sha1, sha256, sums

SEEN = Fingerprint(5, 6, 7, 8)


def keep(store: HashStore, path: str, content: bytes, hashed_at_ns: int = 9) -> None:
    store.record(path, SEEN, hashed_at_ns, sums(content))


def test_gives_back_what_was_recorded(store: HashStore) -> None:
    keep(store, "/ü/a", b"hello")
    (known,) = store.find([sha1(b"hello")])
    assert (known.path, known.fingerprint, known.hashed_at_ns, known.sums) == ("/ü/a", SEEN, 9, sums(b"hello"))
    assert store.sums_of(known.file_id) == known.sums
    assert store.find([sha256(b"hello")]) == [known]


def test_all_digests_must_match(store: HashStore) -> None:
    keep(store, "/a", b"a")
    keep(store, "/b", b"b")
    assert [known.path for known in store.find([sha1(b"a"), sha256(b"a"), sha1(b"a")])] == ["/a"]
    assert store.find([sha1(b"a"), sha256(b"b")]) == []
    assert store.find([sha1(b"a"), sha1(b"b")]) == []


def test_other_algorithms_are_ignored(store: HashStore) -> None:
    keep(store, "/a", b"a")
    md5 = Digest(Algorithm.MD5, bytes(16))
    assert store.find([md5]) == []
    assert store.find([]) == []
    assert [known.path for known in store.find([md5, sha1(b"a")])] == ["/a"]


def test_the_last_hashed_copies_come_first(store: HashStore) -> None:
    for number in range(MAX_COPIES + 3):
        keep(store, f"/{number}", b"same", hashed_at_ns=number)
    found = store.find([sha1(b"same")])
    assert [known.hashed_at_ns for known in found] == list(range(MAX_COPIES + 2, 2, -1))


def test_a_path_has_one_record_and_its_replacement_another_id(store: HashStore) -> None:
    keep(store, "/a", b"before")
    (before,) = store.find([sha1(b"before")])
    keep(store, "/a", b"after")
    assert store.find([sha1(b"before")]) == []
    store.forget(before.file_id)
    assert [known.path for known in store.find([sha1(b"after")])] == ["/a"]


def test_contents_go_with_their_last_file(store: HashStore) -> None:
    keep(store, "/a", b"same")
    keep(store, "/b", b"same")
    first, second = store.find([sha1(b"same")])
    store.forget(first.file_id)
    assert store.statistics().contents == 1
    store.forget(second.file_id)
    store.forget(second.file_id)
    assert store.statistics().contents == 0
    keep(store, "/a", b"one")
    keep(store, "/a", b"two")
    assert store.statistics().contents == 1


def test_statistics(store: HashStore) -> None:
    empty = store.statistics()
    assert (empty.files, empty.file_bytes, empty.contents, empty.last_hashed_at_ns) == (0, 0, 0, None)
    keep(store, "/a", b"same", 3)
    keep(store, "/b", b"same", 4)
    full = store.statistics()
    assert (full.files, full.file_bytes, full.contents, full.content_bytes) == (2, 10, 1, 4)
    assert full.last_hashed_at_ns == 4


def test_many_are_forgotten_at_once(store: HashStore) -> None:
    store.apply([Record(f"/{number}", SEEN, 1, sums(b"%d" % number)) for number in range(1200)])
    store.apply([], [row.file_id for row in store.known_rows()])
    assert (store.statistics().files, store.statistics().contents) == (0, 0)


def test_a_failing_batch_changes_nothing(store: HashStore) -> None:
    keep(store, "/a", b"a")
    (row,) = store.known_rows()
    wrong = Record("/b", Fingerprint(1 << 70, 0, 0, 0), 0, sums(b"b"))
    with pytest.raises(OverflowError):
        store.apply([wrong], [row.file_id])
    assert paths(store) == {"/a"}


def test_folder_and_files_are_their_owners_alone(store: HashStore, data_dir: Path) -> None:
    keep(store, "/a", b"a")
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in data_dir.iterdir()}
    assert modes == dict.fromkeys(("hashes.sqlite3", "hashes.sqlite3-wal", "hashes.sqlite3-shm"), 0o600)


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    HashStore.open(tmp_path).close()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_journal_and_schema(store: HashStore, data_dir: Path) -> None:
    other = raw(data_dir)
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert other.execute("PRAGMA user_version").fetchone() == (len(schema.STEPS),)
    other.close()


def test_the_models_are_the_schema(store: HashStore, data_dir: Path) -> None:
    other = raw(data_dir)
    for model in (Content, File):
        columns = {name for _, name, *_ in other.execute(f"PRAGMA table_info({model._meta.table_name})")}
        assert columns == set(model._meta.columns)
    other.close()


def test_lookups_use_indexes_only(store: HashStore, data_dir: Path) -> None:
    other = raw(data_dir)
    for column in ("sha1", "sha256"):
        (plan,) = other.execute(f"EXPLAIN QUERY PLAN SELECT blocks FROM content WHERE {column} = ?", [b""])  # noqa: S608
        assert "USING INDEX" in plan[-1]
    plans = other.execute(
        "EXPLAIN QUERY PLAN SELECT path FROM file WHERE content_id = ? ORDER BY hashed_at_ns DESC, id DESC LIMIT 8", [1]
    ).fetchall()
    assert [plan[-1] for plan in plans] == ["SEARCH file USING INDEX file_content (content_id=?)"]
    other.close()


def test_lookups_do_not_wait_for_a_writer(store: HashStore, data_dir: Path) -> None:
    keep(store, "/a", b"a")
    writer = raw(data_dir)
    writer.execute("BEGIN EXCLUSIVE")
    began = time.perf_counter()
    assert len(store.find([sha1(b"a")])) == 1
    assert time.perf_counter() - began < 0.04, "shorter than the busy timeout of this store"
    writer.close()


def test_threads_may_share_a_store(store: HashStore) -> None:
    failures: list[BaseException] = []

    def use(thread: int) -> None:
        try:
            for number in range(25):
                content = b"%d-%d" % (thread, number)
                keep(store, f"/{thread}/{number}", content)
                (known,) = store.find([sha1(content)])
                if number % 2:
                    store.forget(known.file_id)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.statistics().files == 6 * 13


def open_raw(data_dir: Path) -> SqliteDatabase:
    return SqliteDatabase(str(data_dir / "hashes.sqlite3"))


def add_note(database: SqliteDatabase) -> None:
    schema.rows(database, "ALTER TABLE file ADD COLUMN note TEXT NOT NULL DEFAULT 'none'")


def fail(database: SqliteDatabase) -> None:
    add_note(database)
    raise RuntimeError("half way")


def test_a_migration_keeps_what_was_recorded(store: HashStore, data_dir: Path) -> None:
    keep(store, "/a", b"a")
    store.close()
    database = open_raw(data_dir)
    steps = (*schema.STEPS, add_note)
    schema.migrate(database, data_dir, steps)
    assert schema.rows(database, "SELECT path, note FROM file") == [("/a", "none")]
    assert schema.version_of(database) == len(steps)
    schema.migrate(database, data_dir, steps)
    database.close()


def test_a_migration_that_fails_leaves_the_version_before(store: HashStore, data_dir: Path) -> None:
    store.close()
    database = open_raw(data_dir)
    with pytest.raises(RuntimeError, match="half way"):
        schema.migrate(database, data_dir, (*schema.STEPS, fail))
    assert schema.version_of(database) == len(schema.STEPS)
    assert "note" not in {column.name for column in database.get_columns("file")}
    database.close()


def test_an_empty_file_becomes_a_database(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "hashes.sqlite3").touch()
    with HashStore.open(data_dir, create=False) as store:
        assert store.statistics().files == 0


def test_closed(store: HashStore) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError, match="cannot be used"):
        store.find([sha1(b"a")])
