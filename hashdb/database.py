"""Opening the database file: its folder, its permissions, its schema, and how much of it may be used."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peewee import SqliteDatabase

from hashdb import errors, schema
from hashdb.fingerprint import Fingerprint

FILE_NAME = "hashes.sqlite3"

LOOKUP_WAIT_MS = 20
"""How long a lookup may wait. In WAL mode no writer hinders it, only another program's exclusive lock."""

RETRY_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Location:
    """The database file and how long to wait for its locks."""

    file: Path
    busy_timeout_ms: int

    def connect(self, mode: str, timeout_ms: int | None = None) -> SqliteDatabase:
        """One connection, for any thread but one at a time.

        `mode` is SQLite's: `ro`, `rw`, or `ro&immutable=1`.
        """
        role = ("synchronous", "NORMAL") if mode == "rw" else ("query_only", "ON")
        milliseconds = self.busy_timeout_ms if timeout_ms is None else timeout_ms
        database = SqliteDatabase(
            f"{self.file.absolute().as_uri()}?mode={mode}",
            pragmas=[("foreign_keys", "ON"), role],
            timeout=milliseconds / 1000,
            uri=True,
            thread_safe=False,
            check_same_thread=False,
            autoconnect=False,
        )
        database.connect()
        return database

    @property
    def write_ahead_log(self) -> Path:
        """Exists while any program has the database open for writing."""
        return self.file.with_name(f"{self.file.name}-wal")


def is_writable(file: Path) -> bool:
    """Whether this user may write the database and the files that SQLite keeps beside it."""
    effective = os.access in os.supports_effective_ids
    return all(os.access(path, os.W_OK, effective_ids=effective) for path in (file, file.parent))


def make_folder(folder: Path) -> None:
    """Make the data folder for its owner alone; one that exists is left as it is."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def make_file(file: Path) -> None:
    """Make an empty database file for its owner alone, unless there is one.

    SQLite's files beside it take its mode.
    """
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return
    os.close(descriptor)


def require_file(file: Path, inode: int | None = None) -> None:
    """Raise StoreMissingError where there is no database, or, with `inode`, where it is not the one opened.

    SQLite itself would go on with a file that was removed, and all that is written would be lost.
    """
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise errors.missing(file) from None
    if not stat.S_ISREG(status.st_mode):
        raise errors.unusable(file, "it is not a regular file")
    if inode not in (None, status.st_ino):
        raise errors.missing(file)


def open_writer(location: Location) -> SqliteDatabase:
    """A connection for writing, the schema brought up to date, the journal in WAL mode."""
    database = location.connect("rw")
    try:
        _prepare(database, location)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: SqliteDatabase, location: Location) -> None:
    # Looking comes first: a database of a newer Nearfetch, or of another program, must stay as it is.
    current = schema.check(database, location.file)
    _enter_wal_mode(database, location)
    if not current:
        schema.migrate(database, location.file)


def _enter_wal_mode(database: SqliteDatabase, location: Location) -> None:
    # SQLite does not honour its busy timeout here, and two programs may start at once.
    deadline = time.monotonic() + location.busy_timeout_ms / 1000
    while True:
        try:
            with errors.translated(location.file):
                schema.rows(database, "PRAGMA journal_mode = WAL")
        except errors.StoreLockedError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return


def open_lookup(location: Location) -> SqliteDatabase:
    """The connection for lookups beside a writer, ready to answer at once."""
    database = location.connect("ro", LOOKUP_WAIT_MS)
    schema.version_of(database)
    return database


@contextmanager
def unwritable(location: Location) -> Iterator[SqliteDatabase]:
    """A connection where the file or its folder may not be written.

    SQLite can join other programs' WAL there, but not start one. Without a WAL nobody is writing, and the file
    is read as it lies, without locks. Raises StoreLockedError where somebody began to write meanwhile.
    """
    before = location.file.stat()
    lockless = not location.write_ahead_log.exists()
    database = location.connect("ro&immutable=1" if lockless else "ro")
    try:
        if not schema.check(database, location.file):
            raise errors.read_only(location.file)
        yield database
    finally:
        database.close()
    if lockless and not _still_unwritten(location, before):
        raise errors.locked(location.file)


def _still_unwritten(location: Location, before: os.stat_result) -> bool:
    after = location.file.stat()
    return not location.write_ahead_log.exists() and Fingerprint.of(after) == Fingerprint.of(before)
