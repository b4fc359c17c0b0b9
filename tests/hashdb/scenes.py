"""What several test files do to files and databases."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hashdb.digest import Algorithm, ContentHasher, ContentSums, Digest
from hashdb.fingerprint import RACY_WINDOW_NS, Fingerprint
from hashdb.progress import OnProgress, unheard
from hashdb.records import Record
from hashdb.scan import Outcome, scan
from hashdb.store import HashStore

MIB = 1 << 20
NOBODY = 65534


def write(file: Path, content: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def sha1(content: bytes) -> Digest:
    return Digest(Algorithm.SHA1, hashlib.sha1(content, usedforsecurity=False).digest())


def sha256(content: bytes) -> Digest:
    return Digest(Algorithm.SHA256, hashlib.sha256(content).digest())


def sums(content: bytes) -> ContentSums:
    hasher = ContentHasher()
    hasher.update(content)
    return hasher.finish()


def paths(store: HashStore) -> set[str]:
    return {row.path for row in store.known_rows()}


def scan_all(
    store: HashStore,
    *roots: Path,
    min_size: int = 1,
    jobs: int = 2,
    on_progress: OnProgress = unheard,
    stop: threading.Event | None = None,
) -> Outcome:
    return scan(store, roots, min_size=min_size, jobs=jobs, on_progress=on_progress, stop=stop)


def let_records_age(store: HashStore) -> None:
    """As if all had been hashed well after the files were written: nothing is racily clean any more."""
    records = []
    for row in store.known_rows():
        kept = store.sums_of(row.file_id)
        assert kept is not None
        records.append(Record(row.path, row.fingerprint, row.ctime_ns + 2 * RACY_WINDOW_NS, kept))
    store.apply(records)


def fingerprint(file: Path) -> Fingerprint:
    return Fingerprint.of(os.lstat(file))


def put_mtime_back(file: Path, before: os.stat_result) -> None:
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def command(data_dir: Path, *arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "hashdb", "--data-dir", data_dir, *arguments]


def run(data_dir: Path, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(data_dir, *arguments), capture_output=True, text=True, check=False, timeout=60, **options
    )


def raw(data_dir: Path) -> sqlite3.Connection:
    """Another program's connection to the same database."""
    return sqlite3.connect(data_dir / "hashes.sqlite3", isolation_level=None)


@contextmanager
def bound_by_mode_bits() -> Iterator[None]:
    """Root may write anything; be somebody else meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
