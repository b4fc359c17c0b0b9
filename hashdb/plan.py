"""What a scan has to do: the difference between what is known and what is seen. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hashdb.fingerprint import Fingerprint, Verdict, is_racy, judge, judge_elsewhere
from hashdb.records import KnownRow


@dataclass(frozen=True, slots=True)
class Task:
    """One file that must be read."""

    path: str
    seen: Fingerprint
    known: KnownRow | None = None
    """What was recorded for this path, and holds no longer."""
    moved_from: KnownRow | None = None
    """A record that seems to be of this very file; where a few blocks agree its sums are kept."""


@dataclass(slots=True)
class Plan:
    """The work of one scan."""

    unchanged: int = 0
    tasks: list[Task] = field(default_factory=list)
    unseen: list[KnownRow] = field(default_factory=list)
    """Records whose path was not seen: gone, or not looked at."""

    @property
    def size(self) -> int:
        """Bytes of all files that must be read, or at least looked into."""
        return sum(task.seen.size for task in self.tasks)


def make_plan(known: Iterable[KnownRow], seen: Mapping[str, os.stat_result]) -> Plan:
    """Compare all records with all files that a walk saw. Everything that is not surely unchanged becomes a task."""
    plan = Plan()
    rows = {row.path: row for row in known}
    changed: list[tuple[str, Fingerprint, KnownRow | None]] = []
    for path, status in seen.items():
        row = rows.get(path)
        if row is not None and (_is_plainly_unchanged(row, status) or _is_unchanged(row, status)):
            plan.unchanged += 1
        else:
            changed.append((path, Fingerprint.of(status), row))
    plan.unseen = [row for path, row in rows.items() if path not in seen]
    plan.tasks = _tasks(changed, _displaced(changed, plan.unseen))
    return plan


def _is_unchanged(row: KnownRow, status: os.stat_result) -> bool:
    return judge(row.fingerprint, row.hashed_at_ns, Fingerprint.of(status)) is Verdict.UNCHANGED


def _is_plainly_unchanged(row: KnownRow, status: os.stat_result) -> bool:
    # Five times as fast as to build two fingerprints, and nearly all files of nearly all scans are unchanged.
    return (
        row.mtime_ns == status.st_mtime_ns
        and row.ctime_ns == status.st_ctime_ns
        and row.size == status.st_size
        and row.inode == status.st_ino
        and not is_racy(row, row.hashed_at_ns)
    )


type _Changed = tuple[str, Fingerprint, KnownRow | None]
type _Key = tuple[int, int, int]


def _key(file: Fingerprint | KnownRow) -> _Key:
    return file.inode, file.size, file.mtime_ns


def _displaced(changed: Iterable[_Changed], unseen: Iterable[KnownRow]) -> dict[_Key, KnownRow]:
    """Records of files that are no longer at their path: not seen, or another file is there now."""
    rows = list(unseen)
    rows += [row for _, seen, row in changed if row is not None and row.inode != seen.inode]
    return {_key(row): row for row in rows}


def _tasks(changed: Iterable[_Changed], displaced: Mapping[_Key, KnownRow]) -> list[Task]:
    return [_task(path, seen, row, displaced.get(_key(seen))) for path, seen, row in changed]


def _task(path: str, seen: Fingerprint, known: KnownRow | None, displaced: KnownRow | None) -> Task:
    if known is not None and judge(known.fingerprint, known.hashed_at_ns, seen) is not Verdict.REPLACED:
        return Task(path, seen, known)
    if displaced is None:
        return Task(path, seen, known)
    verdict = judge_elsewhere(displaced.fingerprint, displaced.hashed_at_ns, seen)
    return Task(path, seen, known, displaced if verdict is Verdict.MOVED else None)
