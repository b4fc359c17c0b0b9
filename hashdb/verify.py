"""Read every recorded file again and compare it with its record."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hashdb.digest import BLOCK_SIZE
from hashdb.progress import OnProgress, Tally, unheard
from hashdb.reading import FileChangedError, first_bad_block
from hashdb.records import KnownRow
from hashdb.store import HashStore
from hashdb.threads import StoppedError, available_cores, in_batches


class Condition(StrEnum):
    """How a file stands to its record."""

    SOUND = "sound"
    ROTTEN = "rotten"
    """Its fingerprint is the recorded one, its bytes are not."""
    CHANGED = "changed"
    """Its fingerprint is another: a scan will hash it again."""
    MISSING = "missing"
    UNREACHABLE = "unreachable"
    """It may be there: its folder is not, or may not be read. The record stays."""

    @property
    def voids_the_record(self) -> bool:
        """Whether nobody must rely on the record any more."""
        return self in (Condition.ROTTEN, Condition.CHANGED, Condition.MISSING)


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one record."""

    row: KnownRow
    condition: Condition
    detail: str = ""
    """What is wrong, for people."""


@dataclass(slots=True)
class Verification:
    """What a verification found."""

    sound: int = 0
    bad: list[Finding] = field(default_factory=list)
    size: int = 0
    """Bytes of the files that are sound."""
    seconds: float = 0.0
    interrupted: bool = False

    def count(self, condition: Condition) -> int:
        """How many files are in this condition."""
        if condition is Condition.SOUND:
            return self.sound
        return sum(finding.condition is condition for finding in self.bad)


def verify(
    store: HashStore,
    *,
    jobs: int | None = None,
    on_progress: OnProgress = unheard,
    stop: threading.Event | None = None,
) -> Verification:
    """Compare all recorded files with their block sums, and remove the records that do not hold.

    `jobs` threads read, as many as there are cores unless given. Raises StoreError.
    """
    store.require_writable()
    began = time.monotonic()
    stop = stop or threading.Event()
    rows = store.known_rows()
    verification = Verification()
    tally = Tally(len(rows), sum(row.size for row in rows), on_progress)
    check = _Check(store, tally, stop)
    with closing(in_batches(rows, check.work, threads=jobs or available_cores(), stop=stop)) as batches:
        for findings in batches:
            _keep(store, verification, findings)
    verification.interrupted = stop.is_set()
    verification.seconds = time.monotonic() - began
    return verification


def _keep(store: HashStore, verification: Verification, findings: Sequence[Finding]) -> None:
    void = [finding.row.file_id for finding in findings if finding.condition.voids_the_record]
    if void:
        store.apply([], void)
    for finding in findings:
        if finding.condition is Condition.SOUND:
            verification.sound += 1
            verification.size += finding.row.size
        else:
            verification.bad.append(finding)


class _Check:
    def __init__(self, store: HashStore, tally: Tally, stop: threading.Event) -> None:
        self._store = store
        self._tally = tally
        self._stop = stop

    def work(self, row: KnownRow, buffer: bytearray) -> Finding:
        part = self._tally.start(row.path, row.size)

        def on_bytes(size: int) -> None:
            part.read(size)
            if self._stop.is_set():
                raise StoppedError

        try:
            sums = self._store.sums_of(row.file_id)
            bad = first_bad_block(row.path, row.fingerprint, sums, buffer, on_bytes) if sums else None
            finding = Finding(row, Condition.SOUND) if bad is None else _rotten(row, bad)
        except FileChangedError:
            finding = Finding(row, Condition.CHANGED, "it changed since it was hashed")
        except OSError as error:
            finding = _unread(row, error)
        part.end()
        return finding


def _rotten(row: KnownRow, block: int) -> Finding:
    return Finding(row, Condition.ROTTEN, f"it is not what was hashed, from byte {block * BLOCK_SIZE} on")


def _unread(row: KnownRow, error: OSError) -> Finding:
    reason = error.strerror or str(error)
    if error.errno == errno.EIO:
        return Finding(row, Condition.ROTTEN, reason)
    # A folder that is not there may be on a disk that is not mounted now.
    if isinstance(error, FileNotFoundError) and Path(row.path).parent.is_dir():
        return Finding(row, Condition.MISSING, reason)
    return Finding(row, Condition.UNREACHABLE, f"{reason}; its record stays")
