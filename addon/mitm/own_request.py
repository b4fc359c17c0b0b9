"""One request of our own: its answer as it comes, and the back-pressure on it."""

from __future__ import annotations

import asyncio
from collections import deque

from addon.ports import Answer, OwnRequestError

READ_AHEAD = 4 << 20
"""Bytes of an answer that may wait to be read before its connection is held."""


class HeadlessRequest:
    """What `addon.ports.OwnRequest` describes, fed by a headless connection."""

    def __init__(self, stream_id: int) -> None:
        self.stream_id = stream_id
        self.over = False
        self.body_bytes = 0
        self.room = asyncio.Event()
        """Cleared while enough is read ahead."""
        self.room.set()
        self._answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting: deque[bytes] = deque()
        self._buffered = 0
        self._error: str | None = None
        self._news = asyncio.Event()

    async def answer(self) -> Answer:
        """The head of the answer. Raises OwnRequestError."""
        return await asyncio.shield(self._answer)

    async def read(self) -> bytes:
        """What came of the answer's body since the last call; b"" at its end. Raises OwnRequestError."""
        while not self._waiting and not self.over:
            self._news.clear()
            await self._news.wait()
        if self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._buffered = 0
            self.room.set()
            return data
        if self._error is not None:
            raise OwnRequestError(self._error)
        return b""

    def answered(self, answer: Answer) -> None:
        """The head came."""
        if not self._answer.done():
            self._answer.set_result(answer)

    def received(self, data: bytes) -> None:
        """A piece of the body came."""
        self.body_bytes += len(data)
        if self.over:
            return
        self._waiting.append(data)
        self._buffered += len(data)
        if self._buffered >= READ_AHEAD:
            self.room.clear()
        self._news.set()

    def ended(self, error: str | None) -> None:
        """The answer is complete, or broke off for this reason. Only the first end counts."""
        if self.over:
            return
        self.over = True
        self._error = error
        self.room.set()
        if not self._answer.done():
            self._answer.set_exception(OwnRequestError(error or "no answer"))
            self._answer.exception()  # looked at, so that asyncio does not complain where nobody waits
        self._news.set()
