"""What `stat` says of a file, and what may be concluded from it. Pure."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

RACY_WINDOW_NS = 2_000_000_000
"""Nanoseconds. Changes within one time step of a file system bear the same time; FAT's step is 2 s."""


_LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Tells a changed file from an unchanged one without reading it."""

    size: int
    """Bytes."""
    mtime_ns: int
    """When the content last changed, nanoseconds since 1970; anyone may set it."""
    ctime_ns: int
    """When the content, name or mode last changed, nanoseconds since 1970; only the kernel sets it."""
    inode: int
    """The file's number in its file system."""

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """The fingerprint in the answer of `os.stat`, `os.fstat` or `os.lstat`.

        Times and inodes that do not fit into 64 bits with a sign are wrapped around, for they must be stored.
        """
        mtime, ctime, inode = status.st_mtime_ns, status.st_ctime_ns, status.st_ino
        if max(mtime, ctime, inode) > _LARGEST or min(mtime, ctime) < -_LARGEST:
            return cls(status.st_size, _wrapped(mtime), _wrapped(ctime), _wrapped(inode))
        return cls(status.st_size, mtime, ctime, inode)


def _wrapped(number: int) -> int:
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


class Verdict(StrEnum):
    """What is to be done with a file that has a record. The value says why."""

    UNCHANGED = "nothing changed"
    MOVED = "the same file under another name"
    REPLACED = "another file has taken its place"
    RESIZED = "its size changed"
    MODIFIED = "its modification time changed"
    TOUCHED = "its status changed, or its modification time was put back"
    RACY = "it was hashed so soon after a change that another change may have gone unseen"

    @property
    def needs_hashing(self) -> bool:
        """Whether nothing of the record may be kept unread."""
        return self not in (Verdict.UNCHANGED, Verdict.MOVED)


class Times(Protocol):
    """Whatever tells when a file changed."""

    @property
    def mtime_ns(self) -> int: ...
    @property
    def ctime_ns(self) -> int: ...


def is_racy(known: Times, hashed_at_ns: int, window_ns: int = RACY_WINDOW_NS) -> bool:
    """Whether a change right after the hashing could bear the recorded times (git: "racily clean").

    `hashed_at_ns` is when the hashing began, nanoseconds since 1970.
    """
    return abs(known.mtime_ns - hashed_at_ns) <= window_ns or abs(known.ctime_ns - hashed_at_ns) <= window_ns


def judge(known: Fingerprint, hashed_at_ns: int, seen: Fingerprint) -> Verdict:
    """Compare what was recorded for a path with what is seen at the same path. Never MOVED."""
    if seen.inode != known.inode:
        return Verdict.REPLACED
    if seen.size != known.size:
        return Verdict.RESIZED
    if seen.mtime_ns != known.mtime_ns:
        return Verdict.MODIFIED
    if seen.ctime_ns != known.ctime_ns:
        return Verdict.TOUCHED
    return Verdict.RACY if is_racy(known, hashed_at_ns) else Verdict.UNCHANGED


def judge_elsewhere(known: Fingerprint, hashed_at_ns: int, seen: Fingerprint) -> Verdict:
    """Compare what was recorded for a path that is gone with what is seen at another path.

    A rename moves ctime on most file systems, so ctime does not count here. MOVED is a suspicion: inode
    numbers are used again, and each file system has its own, so that a few blocks must be compared too.
    """
    if seen.inode != known.inode:
        return Verdict.REPLACED
    if seen.size != known.size:
        return Verdict.RESIZED
    if seen.mtime_ns != known.mtime_ns:
        return Verdict.MODIFIED
    return Verdict.RACY if is_racy(known, hashed_at_ns) else Verdict.MOVED
