"""The rest of a body from the origin, where the source that had it before failed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

from addon.partial import Representation, refusal, refusal_of_whole
from addon.ports import Answer, Origin, OwnRequest, OwnRequestError
from addon.ranges import ByteRange
from addon.sent import SentBytes
from hashdb.digest import BLOCK_SIZE, block_sum


class RefetchError(Exception):
    """The origin did not give the rest. `final`: it never will, it has another file now."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.final = final


class Refetch:
    """Bytes from `start` on. Blocks whose sum is known are given out whole, after they were checked.

    The client has bytes of a verified copy before them, and must never get a mixture of two files.
    """

    def __init__(self, request: OwnRequest, stack: AsyncExitStack, wanted: ByteRange, known: Representation) -> None:
        self._request = request
        self._stack = stack
        self._place = wanted.start
        self._end = wanted.end_exclusive
        self._total = known.total
        self._rest = bytearray()

    @classmethod
    async def open(cls, origin: Origin, wanted: ByteRange, known: Representation, sent: SentBytes) -> Self:
        """Ask for `wanted`. An origin that sends all instead is compared with what was `sent` before.

        Raises RefetchError.
        """
        headers = {"Range": wanted.header()}
        if known.strong_etag:
            headers["If-Range"] = known.strong_etag
        async with AsyncExitStack() as stack:
            try:
                request = await stack.enter_async_context(origin.again(headers))
                answer = await request.answer()
                refetch = cls(request, stack, wanted, known)
                await refetch._come_to_start(answer, wanted, known, sent)
            except OwnRequestError as error:
                raise RefetchError(str(error), final=False) from error
            refetch._stack = stack.pop_all()
        return refetch

    @property
    def bytes_from_origin(self) -> int:
        """Bytes that the origin sent for it."""
        return self._request.body_bytes

    async def read(self, expected: Callable[[int], bytes]) -> bytes:
        """The next bytes, at most a block. `expected`: the sum of the block with a number.

        Raises RefetchError.
        """
        block_end = min((self._place // BLOCK_SIZE + 1) * BLOCK_SIZE, self._total)
        wanted = min(block_end, self._end) - self._place
        data = await self._exactly(wanted)
        whole = self._place % BLOCK_SIZE == 0 and self._place + wanted == block_end
        if whole and block_sum(data) != expected(self._place // BLOCK_SIZE):
            raise RefetchError("the origin's bytes are not those of the file that it named", final=True)
        self._place += wanted
        return data

    async def close(self) -> None:
        """Give the connection back."""
        await self._stack.aclose()

    async def _come_to_start(self, answer: Answer, wanted: ByteRange, known: Representation, sent: SentBytes) -> None:
        if answer.status == 200:
            if problem := refusal_of_whole(answer, known):
                raise RefetchError(problem, final=True)
            await self._skip_what_was_sent(wanted.start, sent)
        elif problem := refusal(answer, wanted, known):
            raise RefetchError(problem, final=answer.status in (206, 416))

    async def _skip_what_was_sent(self, start: int, sent: SentBytes) -> None:
        again = SentBytes(sent.start)
        place = 0
        while place < start:
            data = await self._exactly(min(BLOCK_SIZE, start - place))
            unseen = max(0, sent.start - place)
            again.update(data[unseen:])
            place += len(data)
        if not again.same_as(sent):
            raise RefetchError("the file at the origin is not the one that was begun", final=True)

    async def _exactly(self, length: int) -> bytes:
        while len(self._rest) < length:
            try:
                piece = await self._request.read()
            except OwnRequestError as error:
                raise RefetchError(str(error), final=False) from error
            if not piece:
                raise RefetchError("the origin's answer ended early", final=False)
            self._rest += piece
        data = bytes(self._rest[:length])
        del self._rest[:length]
        return data
