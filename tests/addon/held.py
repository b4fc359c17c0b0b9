"""Files that are held on this disk, their records, and the threads that read them."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from addon.partial import Representation
from addon.sources.local_file import LocalFileError
from hashdb.digest import ContentHasher
from hashdb.fingerprint import Fingerprint
from hashdb.records import KnownFile
from tests.addon.fake_origin import ETAG

MIB = 1 << 20
THREADS = 4


def content_of(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


def flipped(content: bytes, *places: int) -> bytes:
    """The content with one bit changed at each of these places."""
    changed = bytearray(content)
    for place in places:
        changed[place] ^= 1
    return bytes(changed)


def hold(path: Path, content: bytes, *, on_disk: bytes | None = None, file_id: int = 1) -> KnownFile:
    """Write a file and make its record. `on_disk`: what the disk has of `content`, with nobody the wiser."""
    path.write_bytes(content if on_disk is None else on_disk)
    hasher = ContentHasher()
    hasher.update(content)
    return KnownFile(file_id, str(path), Fingerprint.of(os.lstat(path)), 0, hasher.finish())


def known(content: bytes, etag: str | None = ETAG) -> Representation:
    return Representation(len(content), etag)


def descriptors(record: KnownFile) -> int:
    """How many descriptors of this process lead to the record's file."""
    return sum(_leads_to(number, record.path) for number in os.listdir("/proc/self/fd"))


def _leads_to(number: str, path: str) -> bool:
    try:
        return str(Path("/proc/self/fd", number).readlink()).removesuffix(" (deleted)") == path
    except OSError:
        return False


class Disk(ThreadPoolExecutor):
    """Threads for the disk, which can be busy: jobs with one of the `slow` functions wait in the queue for the gate."""

    def __init__(self, *slow: str, queued: bool = True) -> None:
        """Where they are not `queued`, they hang in a thread each, and other jobs go on."""
        super().__init__(THREADS)
        self._slow = slow
        self._queued = queued
        self._lock = threading.Lock()
        self._under_way = 0
        self.gate = threading.Event()
        self.reached = threading.Event()
        """Set once a slow job is in the queue."""

    def submit(self, job: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        is_slow = job.__name__ in self._slow
        for _ in range(THREADS if is_slow and self._queued else 0):
            super().submit(self.gate.wait, 30)
        with self._lock:
            self._under_way += 1
        hangs = is_slow and not self._queued
        queued = super().submit(*([self._hanging] if hangs else []), job, *args, **kwargs)
        queued.add_done_callback(self._was_done)
        if is_slow:
            self.reached.set()
        return queued

    def _hanging(self, job: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.gate.wait(30)
        return job(*args, **kwargs)

    def _was_done(self, _: Future[Any]) -> None:
        with self._lock:
            self._under_way -= 1

    @property
    def idle(self) -> bool:
        """Whether all jobs have ended, the last callbacks on the event loop apart."""
        return self._under_way == 0


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another task or thread does and tells nobody."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def all_closed(disk: Disk, *records: KnownFile) -> None:
    """Wait until no thread is at work and no descriptor leads to the files."""
    await until(lambda: disk.idle and not any(map(descriptors, records)))


class Forgotten:
    """Takes the place of the hash database: remembers which records were said to be wrong, and why."""

    def __init__(self) -> None:
        self.reasons: dict[int, str] = {}

    def __call__(self, record: KnownFile, reason: str) -> None:
        self.reasons[record.file_id] = reason


class HeldBytes:
    """A copy in memory, as the proof sees one."""

    def __init__(self, content: bytes, error: LocalFileError | None = None) -> None:
        self.content = content
        self.error = error

    async def read_across(self, start: int, end: int) -> bytes:
        if self.error is not None:
            raise self.error
        return self.content[start:end]
