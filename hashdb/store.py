"""The hash database. The only file with queries."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import batched
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from peewee import SqliteDatabase, fn

from hashdb import database as opening
from hashdb import errors
from hashdb.database import FILE_NAME, Location
from hashdb.digest import Algorithm, ContentSums, Digest
from hashdb.fingerprint import Fingerprint
from hashdb.models import Content, File
from hashdb.records import KnownFile, KnownRow, Record, Statistics
from hashdb.schema import rows

MAX_COPIES = 8
"""Most files that one lookup returns."""

IDS_PER_QUERY = 500

# Lookups run on an event loop, and scans load and write very many records: too hot for a query builder.
_KNOWN_ROWS = "SELECT path, id, hashed_at_ns, size, mtime_ns, ctime_ns, inode FROM file"
_CONTENTS = "SELECT id, length, sha1, sha256, blocks FROM content WHERE {} LIMIT ?"
_COPIES = (
    "SELECT id, path, size, mtime_ns, ctime_ns, inode, hashed_at_ns FROM file"
    " WHERE content_id = ? ORDER BY hashed_at_ns DESC, id DESC LIMIT ?"
)
_ID_OF_PATH = "SELECT id FROM file WHERE path = ?"
_KEEP_CONTENT = (
    "INSERT INTO content (length, sha1, sha256, blocks) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (sha256)"
    " DO UPDATE SET length = excluded.length, sha1 = excluded.sha1, blocks = excluded.blocks"
)
_KEEP_FILE = (
    "INSERT INTO file (path, size, mtime_ns, ctime_ns, inode, hashed_at_ns, content_id)"
    " VALUES (?, ?, ?, ?, ?, ?, (SELECT id FROM content WHERE sha256 = ?))"
)


class HashStore:
    """Which files have which digests. Any thread may call any method; every method may raise StoreError.

    Lookups have a connection of their own and wait for no writer.
    """

    def __init__(self, location: Location, writer: SqliteDatabase | None, lookup: SqliteDatabase | None) -> None:
        self._location = location
        self._writer = writer
        self._lookup = lookup
        self._inode = location.file.stat().st_ino
        self._writer_lock = threading.Lock()
        self._lookup_lock = threading.Lock()

    @classmethod
    def open(cls, data_dir: Path, *, busy_timeout_ms: int = 5000, create: bool = True) -> Self:
        """Open the database in `data_dir`; with `create`, make folder and database where they are missing.

        Where they may not be written, the store still answers lookups, and writing raises StoreReadOnlyError.
        """
        location = Location(data_dir / FILE_NAME, busy_timeout_ms)
        with errors.translated(location.file):
            if create and not location.file.exists():
                opening.make_folder(data_dir)
                opening.make_file(location.file)
            opening.require_file(location.file)
            if not opening.is_writable(location.file):
                with opening.unwritable(location):
                    return cls(location, None, None)
            writer = opening.open_writer(location)
            try:
                return cls(location, writer, opening.open_lookup(location))
            except BaseException:
                writer.close()
                raise

    @property
    def file(self) -> Path:
        """The database file."""
        return self._location.file

    def require_writable(self) -> None:
        """Raise StoreReadOnlyError now rather than after hours of hashing."""
        if self._writer is None:
            raise errors.read_only(self.file)

    def find(self, digests: Iterable[Digest]) -> list[KnownFile]:
        """At most MAX_COPIES files that have all the given SHA-1 and SHA-256 digests, the last hashed first.

        Digests of other algorithms are ignored; without one of these two the list is empty.
        """
        wanted = {digest for digest in digests if digest.algorithm in (Algorithm.SHA1, Algorithm.SHA256)}
        if len({digest.algorithm for digest in wanted}) != len(wanted) or not wanted:
            return []
        condition = " AND ".join(f"{digest.algorithm} = ?" for digest in wanted)
        values = [digest.value for digest in wanted]
        with self._looking_up() as database:
            contents = rows(database, _CONTENTS.format(condition), [*values, MAX_COPIES])
            found = [known for content in contents for known in _copies(database, content)]
        return sorted(found, key=lambda known: known.hashed_at_ns, reverse=True)[:MAX_COPIES]

    def sums_of(self, file_id: int) -> ContentSums | None:
        """The sums of one record, or None where it is gone."""
        query = (
            Content.select(Content.length, Content.sha1, Content.sha256, Content.blocks)
            .join(File, on=(File.content == Content.id))
            .where(File.id == file_id)
            .tuples()
        )
        with self._looking_up() as database:
            return next((_sums(*row) for row in query.execute(database)), None)

    def known_rows(self) -> list[KnownRow]:
        """All records without their sums."""
        with self._reading() as database:
            return list(map(KnownRow._make, rows(database, _KNOWN_ROWS)))

    def statistics(self) -> Statistics:
        """Counts and bytes of everything."""
        files = File.select(fn.COUNT(File.id), fn.SUM(File.size), fn.MAX(File.hashed_at_ns)).tuples()
        contents = Content.select(fn.COUNT(Content.id), fn.SUM(Content.length)).tuples()
        with self._reading() as database:
            ((file_count, file_bytes, last),) = files.execute(database)
            ((content_count, content_bytes),) = contents.execute(database)
        return Statistics(file_count, file_bytes or 0, content_count, content_bytes or 0, last)

    def record(self, path: str, fingerprint: Fingerprint, hashed_at_ns: int, sums: ContentSums) -> None:
        """Keep what was found for `path`, in place of what was known of it."""
        self.apply([Record(path, fingerprint, hashed_at_ns, sums)])

    def forget(self, file_id: int) -> None:
        """Remove one record; nothing happens where it is gone."""
        self.apply([], [file_id])

    def forget_known(self, known: KnownFile) -> None:
        """Remove the record that was found, unless there is another one by its id: in another database, say."""
        with self._writing() as database:
            same = File.select(File.id).where((File.id == known.file_id) & (File.path == known.path))
            rows = same.tuples().execute(database)
            _forget(database, [file_id for (file_id,) in rows])

    def apply(self, records: Sequence[Record], forgotten: Iterable[int] = ()) -> None:
        """Forget the records with the ids in `forgotten`, then keep `records`.

        All of it is done or, on an error, nothing.
        """
        with self._writing() as database:
            for ids in batched(forgotten, IDS_PER_QUERY):
                _forget(database, ids)
            for record in records:
                _keep(database, record)

    def close(self) -> None:
        """Close the database; a second time does nothing."""
        with errors.translated(self.file):
            for lock, database in ((self._lookup_lock, self._lookup), (self._writer_lock, self._writer)):
                with lock:
                    if database is not None and not database.is_closed():
                        database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _looking_up(self) -> Iterator[SqliteDatabase]:
        if self._lookup is None:
            with self._reading() as database:
                yield database
            return
        with errors.translated(self.file), self._lookup_lock:
            opening.require_file(self.file, self._inode)
            yield self._lookup

    @contextmanager
    def _reading(self) -> Iterator[SqliteDatabase]:
        # A connection of its own: what takes long must not stand in a lookup's way.
        with errors.translated(self.file):
            opening.require_file(self.file)
            if self._writer is None:
                with opening.unwritable(self._location) as database:
                    yield database
                return
            database = self._location.connect("ro")
            try:
                yield database
            finally:
                database.close()

    @contextmanager
    def _writing(self) -> Iterator[SqliteDatabase]:
        if self._writer is None:
            raise errors.read_only(self.file)
        with errors.translated(self.file), self._writer_lock:
            opening.require_file(self.file, self._inode)
            with self._writer.atomic("IMMEDIATE"):
                yield self._writer


def _sums(length: int, sha1: bytes, sha256: bytes, blocks: bytes) -> ContentSums:
    return ContentSums(length, Digest(Algorithm.SHA1, sha1), Digest(Algorithm.SHA256, sha256), blocks)


def _copies(database: SqliteDatabase, content: tuple[int, int, bytes, bytes, bytes]) -> Iterator[KnownFile]:
    content_id, *columns = content
    sums = _sums(*columns)  # type: ignore[arg-type]
    for file_id, path, *fingerprint, hashed_at_ns in rows(database, _COPIES, [content_id, MAX_COPIES]):
        yield KnownFile(file_id, path, Fingerprint(*fingerprint), hashed_at_ns, sums)


def _keep(database: SqliteDatabase, record: Record) -> None:
    # A new row, not an update: whoever still holds the old record's id must not forget the new one by it.
    _forget(database, [file_id for (file_id,) in rows(database, _ID_OF_PATH, [record.path])])
    sums, seen = record.sums, record.fingerprint
    rows(database, _KEEP_CONTENT, [sums.length, sums.sha1.value, sums.sha256.value, sums.blocks])
    rows(
        database,
        _KEEP_FILE,
        [
            record.path,
            seen.size,
            seen.mtime_ns,
            seen.ctime_ns,
            seen.inode,
            record.hashed_at_ns,
            sums.sha256.value,
        ],
    )


def _forget(database: SqliteDatabase, file_ids: Sequence[int]) -> None:
    """Remove the records, and the contents that no file has any more."""
    if not file_ids:
        return
    contents = File.select(File.content).where(File.id.in_(file_ids)).distinct().tuples().execute(database)
    content_ids = [content_id for (content_id,) in contents]
    # Types of peewee's queries differ between releases of its stubs; these two are not expressible in all of them.
    file, content = cast("Any", File), cast("Any", Content)
    file.delete().where(File.id.in_(file_ids)).execute(database)
    still_used = File.select(File.id).where(File.content == Content.id)
    content.delete().where(Content.id.in_(content_ids) & ~fn.EXISTS(still_used)).execute(database)
