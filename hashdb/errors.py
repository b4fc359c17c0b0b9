"""What can be wrong with the hash database, each with one sentence for a person."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peewee

from hashdb.digest import InvalidDigestError


class StoreError(Exception):
    """The hash database cannot be used; `str()` names the file and says what to do."""


class StoreMissingError(StoreError):
    """There is no database."""


class StoreDamagedError(StoreError):
    """The file is no database, or a broken one."""


class StoreLockedError(StoreError):
    """Another program kept the database locked for longer than the busy timeout."""


class StoreNewerError(StoreError):
    """A newer Nearfetch wrote the database."""


class StoreReadOnlyError(StoreError):
    """The database or its folder may not be written."""


def missing(file: Path) -> StoreMissingError:
    """There is no such file; a scan makes it."""
    return StoreMissingError(f"There is no hash database {file}: run `nearfetch-hashdb scan` to make it.")


def damaged(file: Path, detail: str) -> StoreDamagedError:
    """The file is there, and is not what it should be. `detail` is SQLite's word or ours."""
    return StoreDamagedError(
        f"The hash database {file} is damaged ({detail}): "
        "move it and its -wal and -shm files away, then scan again; your files themselves are untouched."
    )


def locked(file: Path) -> StoreLockedError:
    """Someone else holds the lock."""
    return StoreLockedError(
        f"The hash database {file} is locked by another program: wait for it or close it, then try again."
    )


def newer(file: Path, version: int, known: int) -> StoreNewerError:
    """`version` is the schema version in the file, `known` the newest that this program knows."""
    return StoreNewerError(
        f"The hash database {file} was written by a newer Nearfetch (schema {version}, known: {known}): "
        "update Nearfetch, or use another data folder."
    )


def read_only(file: Path) -> StoreReadOnlyError:
    """Permissions, or a file system that is mounted read-only."""
    return StoreReadOnlyError(
        f"The hash database {file} cannot be written: make it and its folder writable for this user, "
        "or use another data folder."
    )


def unusable(file: Path, detail: str) -> StoreError:
    """Whatever has no better name: a full disk, an input/output error, a closed database."""
    return StoreError(f"The hash database {file} cannot be used: {detail.rstrip('.')}.")


@contextmanager
def translated(file: Path) -> Iterator[None]:
    """Turn what SQLite, peewee and the operating system raise about `file` into a StoreError."""
    try:
        yield
    except peewee.PeeweeException as error:
        # SQLite's own error, which knows the result code, is what peewee's was raised in the context of.
        original = error.__context__
        raise of_sqlite(original if isinstance(original, sqlite3.Error) else error, file) from error
    except sqlite3.Error as error:
        raise of_sqlite(error, file) from error
    except InvalidDigestError as error:
        raise damaged(file, str(error)) from error
    except OSError as error:
        raise of_system(error, file) from error


def of_system(error: OSError, file: Path) -> StoreError:
    """The StoreError for an operating system's error about `file` or its folder."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return read_only(file)
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return unusable(file, f"{file.parent} is not a folder")
    return unusable(file, error.strerror or str(error))


def of_sqlite(error: Exception, file: Path) -> StoreError:
    """The StoreError for an error of SQLite or peewee, by SQLite's result code."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        return missing(file)
    match code & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return locked(file)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CONSTRAINT:
            return damaged(file, str(error))
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return read_only(file)
        case sqlite3.SQLITE_CANTOPEN:
            return read_only(file) if file.exists() else missing(file)
        case _:
            return _of_text(error, file)


def _of_text(error: Exception, file: Path) -> StoreError:
    # A schema that lacks what its version promises, or text that is no UTF-8, has no result code of its own.
    text = str(error)
    if any(sign in text for sign in ("no such table", "no such column", "has no column", "decode to UTF-8")):
        return damaged(file, text)
    return unusable(file, text)
