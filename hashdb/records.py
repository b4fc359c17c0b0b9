"""What the hash database holds of a file, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from hashdb.digest import ContentSums
from hashdb.fingerprint import Fingerprint


@dataclass(frozen=True, slots=True)
class Record:
    """A file that was hashed."""

    path: str
    """Absolute, without symbolic links, and valid UTF-8."""
    fingerprint: Fingerprint
    hashed_at_ns: int
    """When the hashing began, nanoseconds since 1970."""
    sums: ContentSums


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A record as the database gives it back. The file may be another by now: compare the fingerprint."""

    file_id: int
    """Names this record for as long as it stands, and never another."""
    path: str
    fingerprint: Fingerprint
    hashed_at_ns: int
    sums: ContentSums


class KnownRow(NamedTuple):
    """A record without its sums, for the comparison of very many."""

    path: str
    file_id: int
    hashed_at_ns: int
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @property
    def fingerprint(self) -> Fingerprint:
        """What `stat` said when the file was hashed."""
        return Fingerprint(self.size, self.mtime_ns, self.ctime_ns, self.inode)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the database holds."""

    files: int
    file_bytes: int
    """Bytes of all files together."""
    contents: int
    """Different contents; fewer than files where copies are held."""
    content_bytes: int
    last_hashed_at_ns: int | None
    """Nanoseconds since 1970; None in an empty database."""
