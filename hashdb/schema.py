"""The schema's versions. `PRAGMA user_version` is the number of steps that a database has behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peewee import SqliteDatabase

from hashdb import errors

type Step = Callable[[SqliteDatabase], None]


def _contents_and_files(database: SqliteDatabase) -> None:
    # Written out, not derived from the models: a step must stay what it was when the models move on.
    # AUTOINCREMENT, so that an id that was forgotten never names another record.
    for statement in (
        "CREATE TABLE content (id INTEGER PRIMARY KEY AUTOINCREMENT, length INTEGER NOT NULL,"
        " sha1 BLOB NOT NULL, sha256 BLOB NOT NULL, blocks BLOB NOT NULL)",
        "CREATE INDEX content_sha1 ON content (sha1)",
        "CREATE UNIQUE INDEX content_sha256 ON content (sha256)",
        "CREATE TABLE file (id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, size INTEGER NOT NULL,"
        " mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,"
        " hashed_at_ns INTEGER NOT NULL, content_id INTEGER NOT NULL REFERENCES content (id))",
        "CREATE UNIQUE INDEX file_path ON file (path)",
        "CREATE INDEX file_content ON file (content_id, hashed_at_ns)",
    ):
        rows(database, statement)


STEPS: tuple[Step, ...] = (_contents_and_files,)
"""Step n leads from version n to version n + 1. Steps are only ever added."""


def rows(database: SqliteDatabase, sql: str, values: Sequence[object] = ()) -> list[Any]:
    """Run one statement written out in SQL; its rows as tuples, none where it gives none."""
    cursor = database.execute_sql(sql, values)  # type: ignore[no-untyped-call]
    return list(cursor.fetchall())


def version_of(database: SqliteDatabase) -> int:
    """The schema version in the file."""
    ((version,),) = rows(database, "PRAGMA user_version")
    return int(version)


def check(database: SqliteDatabase, file: Path, steps: Sequence[Step] = STEPS) -> bool:
    """Whether the schema is current; False means that `migrate` can make it so.

    Raises StoreNewerError, and StoreDamagedError where the file is some other program's database.
    """
    # The tables are looked at first: another process that makes the schema right now makes both in one step.
    has_tables = bool(database.get_tables())
    version = version_of(database)
    if version > len(steps):
        raise errors.newer(file, version, len(steps))
    if version < 0:
        raise errors.damaged(file, f"its schema version is {version}")
    if version == 0 and has_tables:
        raise errors.damaged(file, "it holds tables that Nearfetch did not make")
    return version == len(steps)


def migrate(database: SqliteDatabase, file: Path, steps: Sequence[Step] = STEPS) -> None:
    """Bring the schema to the newest version: all missing steps, or, where one fails, none."""
    with database.atomic("IMMEDIATE"):
        # Another process may have been first: what counts is the version under the lock.
        if check(database, file, steps):
            return
        for step in steps[version_of(database) :]:
            step(database)
        rows(database, f"PRAGMA user_version = {len(steps)}")
