"""Proof that an origin holds a file: naming its digest is not enough to be given a copy of it.

After the first bytes that came agreed with the copy, the origin is asked for ranges that it cannot foresee.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import cycle
from typing import Protocol

from addon.partial import Representation, refusal
from addon.ports import Origin, OwnRequest, OwnRequestError, Session
from addon.ranges import ByteRange

HEAD_SIZE = 64 << 10
"""Bytes that arrive first and are compared with the copy."""

SAMPLE_SIZE = 16 << 10
"""Bytes of a sample."""

SAMPLES = 8
"""Ranges at random places that are asked for."""

CONNECTIONS = 4
"""Connections that the samples are fetched over, where one carries only one at a time."""

SAMPLES_SECONDS = 20.0
"""How long all samples together may take."""


class UnprovenError(Exception):
    """The origin did not show that it holds the file. The message says in what it failed."""


class Copy(Protocol):
    """A copy whose bytes can be looked at."""

    async def read_across(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to, not including, `end`."""


def sample_ranges(total: int, choose: random.Random) -> list[ByteRange]:
    """SAMPLES ranges of SAMPLE_SIZE bytes, or the whole file where it is smaller than one."""
    size = min(SAMPLE_SIZE, total)
    starts = (choose.randrange(total - size + 1) for _ in range(SAMPLES))
    return [ByteRange(start, start + size) for start in starts]


async def compare_head(copy: Copy, start: int, head: bytes) -> None:
    """Hold the first bytes that came, which lie at `start`, against the copy. Raises UnprovenError."""
    if await copy.read_across(start, start + len(head)) != head:
        raise UnprovenError("the first bytes that came are not those of the local copy")


async def compare_samples(copy: Copy, origin: Origin, ranges: Sequence[ByteRange], known: Representation) -> int:
    """Ask the origin for the ranges, all at once, and hold them against the copy.

    Gives the bytes that the origin sent for it. Raises UnprovenError, and whatever the copy raises.
    """
    try:
        async with asyncio.timeout(SAMPLES_SECONDS), AsyncExitStack() as open_sessions:
            count = 1 if origin.multiplexed else CONNECTIONS
            sessions = [await open_sessions.enter_async_context(origin.session()) for _ in range(count)]
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(_compare_sample(copy, session, wanted, known))
                    for session, wanted in zip(cycle(sessions), ranges, strict=False)
                ]
    except TimeoutError:
        raise UnprovenError(f"the origin's samples took more than {SAMPLES_SECONDS:.0f} s") from None
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return sum(task.result() for task in tasks)


async def _compare_sample(copy: Copy, session: Session, wanted: ByteRange, known: Representation) -> int:
    try:
        async with session.again({"Range": wanted.header()}) as request:
            problem = refusal(await request.answer(), wanted, known)
            if problem:
                raise UnprovenError(problem)
            theirs = await _read_exactly(request, wanted.length)
    except OwnRequestError as error:
        raise UnprovenError(f"a sample could not be fetched: {error}") from error
    if theirs != await copy.read_across(wanted.start, wanted.end_exclusive):
        raise UnprovenError(f"the origin's file differs between bytes {wanted.start} and {wanted.end_exclusive}")
    return len(theirs)


async def _read_exactly(request: OwnRequest, length: int) -> bytes:
    data = bytearray()
    while len(data) <= length and (piece := await request.read()):
        data += piece
    if len(data) != length:
        raise UnprovenError("a sample had not the length that the origin promised")
    return bytes(data)
