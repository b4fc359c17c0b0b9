"""Bytes of a file on this disk, each block checked before it is handed out."""

from __future__ import annotations

import asyncio
import os
import stat
from concurrent.futures import Executor
from typing import Self

from addon.sent import Piece, SentBytes
from hashdb.digest import BLOCK_SIZE, BLOCK_SUM_SIZE, block_sum
from hashdb.fingerprint import Fingerprint
from hashdb.paths import printable
from hashdb.records import KnownFile

RUN = 2
"""Blocks that are read, checked and handed out together. Twice that is in memory for each file that is served."""

DISK_SECONDS = 15.0
"""How long a read may take, a disk that has to wake up first included."""

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
        self._closing = False

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
        """Checked bytes from `start` on: at least one, at most RUN blocks, none from `end` on.

        While they are used, the run that follows is read already. Raises LocalFileError.
        """
        first = start // BLOCK_SIZE
        run = await self._run(first, min(RUN, -(-end // BLOCK_SIZE) - first))
        run_start, run_end = first * BLOCK_SIZE, first * BLOCK_SIZE + len(run)
        if run_end < end:
            following = run_end // BLOCK_SIZE
            self._ahead = (following, self._fetch(following, min(RUN, -(-end // BLOCK_SIZE) - following)))
        if start == run_start and run_end <= end:
            return run
        return run[start - run_start : end - run_start]

    async def read_across(self, start: int, end: int) -> bytes:
        """Checked bytes from `start` to `end`, over as many blocks as that takes; for a few bytes here and there.

        Raises LocalFileError.
        """
        first = start // BLOCK_SIZE
        blocks = [await self._in_time(self._fetch(number, 1)) for number in range(first, -(-end // BLOCK_SIZE))]
        return b"".join(blocks)[start - first * BLOCK_SIZE : end - first * BLOCK_SIZE]

    async def begins_with(self, sent: SentBytes) -> bool:
        """Whether it holds what was sent, so that it may go on from there. Raises LocalFileError."""
        for piece in sent.pieces():
            if piece.sum != await self._sum_of(piece):
                return False
        return True

    async def _sum_of(self, piece: Piece) -> bytes:
        if piece.is_whole_block(self.length):
            return self.recorded_sum(piece.start // BLOCK_SIZE)
        return block_sum(await self.read_across(piece.start, piece.end))

    def recorded_sum(self, number: int) -> bytes:
        """What the record says of the block with this number."""
        return _recorded_sum(self.record, number)

    def close(self) -> None:
        """Give the descriptor back, once no thread reads from it any more: its number may be used again.

        Does not wait: a disk may hang.
        """
        self._closing = True
        if not self._reading:
            self._disk.submit(os.close, self._descriptor)

    async def _run(self, first: int, count: int) -> bytes:
        ahead, self._ahead = self._ahead, None
        run = ahead[1] if ahead is not None and ahead[0] == first else self._fetch(first, count)
        return await self._in_time(run)

    async def _in_time(self, run: asyncio.Future[bytes]) -> bytes:
        try:
            async with asyncio.timeout(DISK_SECONDS):
                return await asyncio.shield(run)
        except TimeoutError:
            name = printable(self.record.path)
            raise LocalFileError(f"{name} could not be read within {DISK_SECONDS:.0f} s") from None

    def _fetch(self, first: int, count: int) -> asyncio.Future[bytes]:
        loop = asyncio.get_running_loop()
        run = loop.run_in_executor(self._disk, _read_checked, self.record, self._descriptor, first, count)
        self._reading.add(run)
        run.add_done_callback(self._was_read)
        return run

    def _was_read(self, run: asyncio.Future[bytes]) -> None:
        self._reading.discard(run)
        # What was read ahead may never be asked for: asyncio need not complain about its error.
        run.exception()
        if self._closing and not self._reading:
            self._disk.submit(os.close, self._descriptor)


def _close_opened(opening: asyncio.Future[int]) -> None:
    if opening.exception() is None:
        os.close(opening.result())


def _open_unchanged(record: KnownFile) -> int:
    try:
        descriptor = os.open(record.path, OPEN_FLAGS)
    except OSError as error:
        raise LocalFileError(f"{printable(record.path)} cannot be opened: {error.strerror}") from error
    try:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode) or Fingerprint.of(seen) != record.fingerprint:
            raise LocalFileError(f"{printable(record.path)} was changed since it was indexed")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _read_checked(record: KnownFile, descriptor: int, first: int, count: int) -> bytes:
    """`count` blocks, or as many as are right; the first has to be."""
    start = first * BLOCK_SIZE
    wanted = min(count * BLOCK_SIZE, record.sums.length - start)
    try:
        run = _read_fully(descriptor, start, wanted)
    except OSError as error:
        raise LocalFileError(f"{printable(record.path)} cannot be read at byte {start}: {error.strerror}") from error
    good = _good_bytes(record, first, memoryview(run), wanted)
    if good == 0:
        was = "truncated" if len(run) < min(wanted, BLOCK_SIZE) else "changed"
        raise LocalFileError(f"{printable(record.path)} was {was} after byte {start} since it was indexed")
    return run if good == len(run) else run[:good]


def _good_bytes(record: KnownFile, first: int, run: memoryview, wanted: int) -> int:
    """How many bytes of the run, in whole blocks, are what the record says."""
    for start in range(0, wanted, BLOCK_SIZE):
        block = run[start : min(start + BLOCK_SIZE, wanted)]
        if block_sum(block) != _recorded_sum(record, first + start // BLOCK_SIZE):
            return start
    return wanted


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
