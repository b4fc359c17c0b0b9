"""Bytes of a file on this disk, each block checked before it is handed out."""

from __future__ import annotations

import asyncio
import os
import stat
from concurrent.futures import Executor
from typing import Self

from hashdb.digest import BLOCK_SIZE, BLOCK_SUM_SIZE, block_sum
from hashdb.fingerprint import Fingerprint
from hashdb.records import KnownFile

OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LocalFileError(Exception):
    """The file is not what its record says. The message says how."""


class LocalFile:
    """An open file that is served by its record. What was opened is what is served, whatever its name becomes."""

    def __init__(self, record: KnownFile, descriptor: int, disk: Executor) -> None:
        self.record = record
        self._descriptor = descriptor
        self._disk = disk
        self._ahead: tuple[int, asyncio.Future[bytes]] | None = None
        self._reading: set[asyncio.Future[bytes]] = set()

    @classmethod
    async def open(cls, record: KnownFile, disk: Executor) -> Self:
        """Open the file once, and hold what `fstat` says of it against the record. Raises LocalFileError."""
        opening = asyncio.get_running_loop().run_in_executor(disk, _open_unchanged, record)
        try:
            descriptor = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_opened)
            raise
        return cls(record, descriptor, disk)

    @property
    def length(self) -> int:
        """Bytes of the file."""
        return self.record.sums.length

    async def read(self, start: int, end: int) -> bytes:
        """Checked bytes from `start` to `end` or to the end of `start`'s block, whichever comes first.

        While they are used, the block that follows is read already, where `end` lies beyond this one.
        Raises LocalFileError.
        """
        number = start // BLOCK_SIZE
        block = await self._block(number)
        block_start = number * BLOCK_SIZE
        if end > block_start + BLOCK_SIZE:
            self._ahead = (number + 1, self._fetch(number + 1))
        if start == block_start and end - start >= len(block):
            return block
        return block[start - block_start : end - block_start]

    async def read_across(self, start: int, end: int) -> bytes:
        """Checked bytes from `start` to `end`, over as many blocks as that takes; for a few bytes here and there.

        Raises LocalFileError.
        """
        first = start // BLOCK_SIZE
        blocks = [await asyncio.shield(self._fetch(number)) for number in range(first, -(-end // BLOCK_SIZE))]
        return b"".join(blocks)[start - first * BLOCK_SIZE : end - first * BLOCK_SIZE]

    def recorded_sum(self, number: int) -> bytes:
        """What the record says of the block with this number."""
        return _recorded_sum(self.record, number)

    async def close(self) -> None:
        """Give the descriptor back, once no thread reads from it any more: its number may be used again."""
        if self._reading:
            await asyncio.wait(self._reading)
        await asyncio.get_running_loop().run_in_executor(self._disk, os.close, self._descriptor)

    async def _block(self, number: int) -> bytes:
        ahead, self._ahead = self._ahead, None
        block = ahead[1] if ahead is not None and ahead[0] == number else self._fetch(number)
        return await asyncio.shield(block)

    def _fetch(self, number: int) -> asyncio.Future[bytes]:
        loop = asyncio.get_running_loop()
        block = loop.run_in_executor(self._disk, _read_checked, self.record, self._descriptor, number)
        self._reading.add(block)
        block.add_done_callback(self._was_read)
        return block

    def _was_read(self, block: asyncio.Future[bytes]) -> None:
        self._reading.discard(block)
        # A block that was read ahead may never be asked for: asyncio need not complain about its error.
        block.exception()


def _close_opened(opening: asyncio.Future[int]) -> None:
    if opening.exception() is None:
        os.close(opening.result())


def _open_unchanged(record: KnownFile) -> int:
    try:
        descriptor = os.open(record.path, OPEN_FLAGS)
    except OSError as error:
        raise LocalFileError(f"{record.path} cannot be opened: {error.strerror}") from error
    try:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode) or Fingerprint.of(seen) != record.fingerprint:
            raise LocalFileError(f"{record.path} was changed since it was indexed")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _read_checked(record: KnownFile, descriptor: int, number: int) -> bytes:
    start = number * BLOCK_SIZE
    wanted = min(BLOCK_SIZE, record.sums.length - start)
    try:
        block = _read_fully(descriptor, start, wanted)
    except OSError as error:
        raise LocalFileError(f"{record.path} cannot be read at byte {start}: {error.strerror}") from error
    if len(block) != wanted:
        raise LocalFileError(f"{record.path} was truncated while it was being served")
    if block_sum(block) != _recorded_sum(record, number):
        raise LocalFileError(f"{record.path} is not what it was between bytes {start} and {start + wanted}")
    return block


def _read_fully(descriptor: int, start: int, wanted: int) -> bytes:
    block = os.pread(descriptor, wanted, start)
    while 0 < len(block) < wanted:
        more = os.pread(descriptor, wanted - len(block), start + len(block))
        if not more:
            break
        block += more
    return block


def _recorded_sum(record: KnownFile, number: int) -> bytes:
    return record.sums.blocks[number * BLOCK_SUM_SIZE : (number + 1) * BLOCK_SUM_SIZE]
