"""Read one file for a scan: find it again under its new name, or hash it. Runs in threads."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import SystemRandom

from hashdb.digest import ContentSums
from hashdb.plan import Task
from hashdb.progress import FileTally, Tally
from hashdb.reading import FileChangedError, block_count, blocks_agree, read_sums
from hashdb.records import KnownRow, Record
from hashdb.threads import StoppedError

type Choose = Callable[[range], int]
"""Picks one number of a range that is not empty."""

_CHOOSE: Choose = SystemRandom().choice


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file was read whole."""

    record: Record
    void: tuple[int, ...]
    """Ids of records that no longer hold."""
    vanished: int
    """How many of those are of a file that is neither here nor there."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A file was found again under another name."""

    record: Record
    void: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unread:
    """A file could not be hashed."""

    path: str
    error: OSError | FileChangedError
    void: tuple[int, ...]


type Result = Hashed | Moved | Unread


def blocks_to_compare(count: int, choose: Choose) -> set[int]:
    """The first block of `count`, the last, and any one between: what shows that a file is the same one."""
    between = range(1, count - 1)
    return {*range(min(count, 1)), *range(max(count - 1, 0), count), *([choose(between)] if between else [])}


class FileHasher:
    """Turns tasks into results. Any number of threads may use it."""

    def __init__(
        self,
        moved_sums: Mapping[int, ContentSums],
        tally: Tally,
        stop: threading.Event,
        choose: Choose = _CHOOSE,
    ) -> None:
        """`moved_sums` holds the sums of the records that tasks name as `moved_from`, by id."""
        self._moved_sums = moved_sums
        self._tally = tally
        self._stop = stop
        self._choose = choose

    def work(self, task: Task, buffer: bytearray) -> Result:
        """Read the file of `task`. Raises StoppedError when `stop` is set meanwhile."""
        part = self._tally.start(task.path, task.seen.size)
        old = task.moved_from if task.moved_from and is_displaced(task.moved_from) else None
        void = _ids(task.known, old)
        try:
            record = self._moved_record(task, old, buffer) if old else None
            result: Result = Moved(record, void) if record else self._hashed(task, void, buffer, part)
        except (OSError, FileChangedError) as error:
            result = Unread(task.path, error, void)
        part.end()
        return result

    def _moved_record(self, task: Task, old: KnownRow, buffer: bytearray) -> Record | None:
        """The old record under the new name, or None where the blocks say that it is another file."""
        sums = self._moved_sums.get(old.file_id)
        if sums is None:
            return None
        numbers = blocks_to_compare(block_count(task.seen.size), self._choose)
        if not blocks_agree(task.path, task.seen, sums, numbers, buffer):
            return None
        # Still the time of the hashing: three blocks say nothing of a change of the others just now.
        return Record(task.path, task.seen, old.hashed_at_ns, sums)

    def _hashed(self, task: Task, void: tuple[int, ...], buffer: bytearray, part: FileTally) -> Hashed:
        def on_bytes(size: int) -> None:
            part.read(size)
            if self._stop.is_set():
                raise StoppedError

        hashed_at_ns = time.time_ns()
        sums = read_sums(task.path, task.seen, buffer, on_bytes)
        return Hashed(Record(task.path, task.seen, hashed_at_ns, sums), void, len(void) - (task.known is not None))


def is_displaced(row: KnownRow) -> bool:
    """Whether the file of the record is surely no longer at its old path: it is no hard link."""
    try:
        status = os.lstat(row.path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return status.st_ino != row.inode


def _ids(*rows: KnownRow | None) -> tuple[int, ...]:
    return tuple(row.file_id for row in rows if row is not None)
