"""The rest of a body from the origin, where the source that had it before failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

from addon.partial import Representation, refusal, refusal_of_whole
from addon.ports import Answer, Origin, OwnRequest, OwnRequestError
from addon.ranges import ByteRange
from hashdb.digest import BLOCK_SIZE, block_sum

PATIENCE = 600.0
"""Seconds without a byte after which an origin counts as gone, where nobody says otherwise; mitmproxy's default."""


class RefetchError(Exception):
    """The origin did not give the rest. `final`: it never will, it has another file now."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.final = final
        self.bytes_from_origin = 0
        """What the origin sent in vain, where the answer never came to its beginning."""


class Refetch:
    """Bytes from a place on, as whole blocks that are held against their sums before anything of them is given out.

    The client has bytes of a verified copy before them, and must never get a mixture of two files.
    """

    def __init__(self, request: OwnRequest, wanted: ByteRange, known: Representation, patience: float) -> None:
        self._request = request
        self._stack = AsyncExitStack()
        self._patience = patience
        self._wanted = wanted
        self._total = known.total
        self._place = wanted.start // BLOCK_SIZE * BLOCK_SIZE
        self._rest = bytearray()

    @classmethod
    async def open(cls, origin: Origin, wanted: ByteRange, known: Representation, patience: float = PATIENCE) -> Self:
        """Ask for the blocks that `wanted` lies in. Of an origin that sends all instead, the beginning is skipped.

        `patience`: seconds without a byte after which the origin counts as gone. Raises RefetchError.
        """
        asked = _whole_blocks(wanted, known.total)
        headers = {"Range": asked.header()}
        if known.strong_etag:
            headers["If-Range"] = known.strong_etag
        async with AsyncExitStack() as stack:
            try:
                request = await stack.enter_async_context(origin.again(headers))
                async with asyncio.timeout(patience):
                    skipped = _skipped(await request.answer(), asked, known)
            except (OwnRequestError, TimeoutError) as error:
                raise _broken(error, patience) from error
            refetch = cls(request, wanted, known, patience)
            try:
                await refetch.skip(skipped)
            except RefetchError as error:
                error.bytes_from_origin = request.body_bytes
                raise
            refetch.keep(stack.pop_all())
        return refetch

    @property
    def bytes_from_origin(self) -> int:
        """Bytes that the origin sent for it."""
        return self._request.body_bytes

    async def read(self, expected: Callable[[int], bytes]) -> bytes:
        """The next wanted bytes, at most a block. `expected`: the sum of the block with a number.

        Raises RefetchError.
        """
        start, end = self._place, min(self._place + BLOCK_SIZE, self._total)
        block = await self._exactly(end - start)
        if block_sum(block) != expected(start // BLOCK_SIZE):
            raise RefetchError("the origin's bytes are not those of the file that it named", final=True)
        self._place = end
        return block[max(0, self._wanted.start - start) : self._wanted.end_exclusive - start]

    async def skip(self, length: int) -> None:
        """Read so many bytes and throw them away. Raises RefetchError."""
        while length > 0:
            length -= len(await self._exactly(min(length, BLOCK_SIZE)))

    def keep(self, stack: AsyncExitStack) -> None:
        """What is to be closed with it."""
        self._stack = stack

    async def close(self) -> None:
        """Give the connection back."""
        await self._stack.aclose()

    async def _exactly(self, length: int) -> bytes:
        while len(self._rest) < length:
            try:
                async with asyncio.timeout(self._patience):
                    piece = await self._request.read()
            except (OwnRequestError, TimeoutError) as error:
                raise _broken(error, self._patience) from error
            if not piece:
                raise RefetchError("the origin's answer ended early", final=False)
            self._rest += piece
        data = bytes(self._rest[:length])
        del self._rest[:length]
        return data


def _broken(error: OwnRequestError | TimeoutError, patience: float) -> RefetchError:
    silent = f"the origin sent nothing for {patience:.0f} s"
    return RefetchError(silent if isinstance(error, TimeoutError) else str(error), final=False)


def _whole_blocks(wanted: ByteRange, total: int) -> ByteRange:
    start = wanted.start // BLOCK_SIZE * BLOCK_SIZE
    end = -(-wanted.end_exclusive // BLOCK_SIZE) * BLOCK_SIZE
    return ByteRange(start, min(end, total))


def _skipped(answer: Answer, asked: ByteRange, known: Representation) -> int:
    """How many bytes of the answer come before those that were asked for. Raises RefetchError."""
    if answer.status == 200:
        if problem := refusal_of_whole(answer, known):
            raise RefetchError(problem, final=True)
        return asked.start
    if problem := refusal(answer, asked, known):
        raise RefetchError(problem, final=answer.status in (206, 416))
    return 0
