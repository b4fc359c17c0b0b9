"""Bring the hash database up to date with some folders: walk, compare, hash what changed, record."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from hashdb.digest import ContentSums
from hashdb.errors import StoreLockedError
from hashdb.fingerprint import Fingerprint
from hashdb.hashing import FileHasher, Hashed, Moved, Result, Unread
from hashdb.plan import Plan, make_plan
from hashdb.progress import OnProgress, Tally, unheard
from hashdb.reading import FileChangedError
from hashdb.records import KnownRow, Record
from hashdb.sizes import parse_size
from hashdb.store import HashStore
from hashdb.threads import available_cores, in_batches
from hashdb.walk import Skip, Skips, Survey, survey

DEFAULT_MIN_SIZE = parse_size("10m")
"""Bytes."""

MAX_LOCKED_COMMITS = 12
"""Times that a batch is tried again while another program holds the lock, each for the store's busy timeout."""

MAX_COMPLAINTS = 20


@dataclass(slots=True)
class Outcome:
    """What a scan did."""

    hashed: int = 0
    unchanged: int = 0
    moved: int = 0
    """Files that kept their digests under a new name."""
    vanished: int = 0
    changed_while_read: int = 0
    failed: int = 0
    """Files that could not be read."""
    size: int = 0
    """Bytes that were hashed."""
    seconds: float = 0.0
    interrupted: bool = False
    skipped: Skips = field(default_factory=Skips)
    complaints: list[tuple[str, str]] = field(default_factory=list)
    """Path and reason of the first MAX_COMPLAINTS that failed or changed while they were read."""

    def complain(self, path: str, reason: str) -> None:
        """Note one of them."""
        if len(self.complaints) < MAX_COMPLAINTS:
            self.complaints.append((path, reason))


def scan(
    store: HashStore,
    roots: Iterable[Path],
    *,
    min_size: int = DEFAULT_MIN_SIZE,
    jobs: int | None = None,
    excluded: Iterable[Path] = (),
    on_progress: OnProgress = unheard,
    stop: threading.Event | None = None,
) -> Outcome:
    """Record all files of at least `min_size` bytes below `roots`, reading only those that are new or changed.

    `jobs` threads hash, as many as there are cores unless given. Nothing below `excluded` is looked at. When
    `stop` is set the scan ends soon, and keeps all that is hashed. Raises StoreError.
    """
    store.require_writable()
    return _Scan(store, on_progress, stop or threading.Event()).run(
        roots, min_size, jobs or available_cores(), excluded
    )


class _Scan:
    def __init__(self, store: HashStore, on_progress: OnProgress, stop: threading.Event) -> None:
        self._store = store
        self._on_progress = on_progress
        self._stop = stop
        self._outcome = Outcome()

    def run(self, roots: Iterable[Path], min_size: int, jobs: int, excluded: Iterable[Path]) -> Outcome:
        began = time.monotonic()
        found = survey(roots, min_size=min_size, excluded=excluded, stopped=self._stop.is_set)
        self._outcome.skipped = found.skipped
        if found.complete:
            plan = make_plan(self._store.known_rows(), found.files)
            self._outcome.unchanged = plan.unchanged
            self._forget_vanished(plan, found)
            self._hash(plan, jobs)
        self._outcome.interrupted = self._stop.is_set()
        self._outcome.seconds = time.monotonic() - began
        return self._outcome

    def _forget_vanished(self, plan: Plan, found: Survey) -> None:
        # Those that a task may find under another name go with that task's result.
        awaited = {task.moved_from.file_id for task in plan.tasks if task.moved_from}
        vanished = [
            row.file_id
            for row in plan.unseen
            if row.file_id not in awaited and found.speaks_of(row.path) and not _still_there(row)
        ]
        if vanished:
            self._apply([], vanished)
        self._outcome.vanished = len(vanished)

    def _hash(self, plan: Plan, jobs: int) -> None:
        if not plan.tasks:
            return
        tally = Tally(len(plan.tasks), plan.size, self._on_progress)
        hasher = FileHasher(self._moved_sums(plan), tally, self._stop)
        threads = min(jobs, len(plan.tasks))
        with closing(in_batches(plan.tasks, hasher.work, threads=threads, stop=self._stop)) as batches:
            for batch in batches:
                records = [result.record for result in batch if not isinstance(result, Unread)]
                self._apply(records, [file_id for result in batch for file_id in result.void])
                for result in batch:
                    _count(self._outcome, result)

    def _moved_sums(self, plan: Plan) -> dict[int, ContentSums]:
        # Read before anything is written: two files that swapped names replace each other's records.
        ids = {task.moved_from.file_id for task in plan.tasks if task.moved_from}
        return {file_id: sums for file_id in ids if (sums := self._store.sums_of(file_id))}

    def _apply(self, records: list[Record], void: list[int]) -> None:
        for attempt in range(1, MAX_LOCKED_COMMITS + 1):
            try:
                return self._store.apply(records, void)
            except StoreLockedError:
                if attempt == MAX_LOCKED_COMMITS:
                    raise
        return None


def _still_there(row: KnownRow) -> bool:
    """Whether the record holds although the walk did not give the file: this scan's smallest size may be larger."""
    try:
        return Fingerprint.of(os.lstat(row.path)) == row.fingerprint
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def _count(outcome: Outcome, result: Result) -> None:
    match result:
        case Hashed(record, _, vanished):
            outcome.hashed += 1
            outcome.vanished += vanished
            outcome.size += record.sums.length
        case Moved():
            outcome.moved += 1
        case Unread(path, FileNotFoundError()):
            outcome.skipped.add(Skip.VANISHED, path)
        case Unread(path, FileChangedError()):
            outcome.changed_while_read += 1
            outcome.complain(path, "it changed while it was read")
        case Unread(path, error):
            outcome.failed += 1
            outcome.complain(path, str(error.strerror) if isinstance(error, OSError) else str(error))
        case _:
            assert_never(result)
