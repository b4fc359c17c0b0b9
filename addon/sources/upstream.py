"""The origin's transfer as it comes, held in memory between mitmproxy's upstream and the client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

HELD_AT = 4 << 20
"""Bytes that may wait for the client before the origin is not read on."""


class Upstream:
    """A queue from the origin to the client. `news` is set whenever something happened to it."""

    def __init__(self, head_size: int, hold: Callable[[bool], None] = lambda _: None) -> None:
        """`head_size`: how many of the first bytes are kept for the proof.

        `hold`: told True when a limit is set, and False when it is lifted.
        """
        self._hold = hold
        self.news = asyncio.Event()
        self.flowing = asyncio.Event()
        """Cleared while the origin should not be read."""
        self.flowing.set()
        self.over = False
        self.error: str | None = None
        """Why it broke off."""
        self.bytes_from_origin = 0
        self._head = bytearray()
        self._head_size = head_size
        self._head_there = asyncio.Event()
        self._limit: int | None = None
        self._dropped = False
        self._waiting: deque[bytes] = deque()
        self._buffered = 0

    def feed(self, data: bytes) -> None:
        """The next bytes came."""
        if not data or self._dropped:
            return
        self._waiting.append(data)
        self._buffered += len(data)
        self.bytes_from_origin += len(data)
        if len(self._head) < self._head_size:
            self._head += data[: self._head_size - len(self._head)]
            if len(self._head) == self._head_size:
                self._head_there.set()
        self._hold_or_flow()
        self.news.set()

    def end(self, error: str | None) -> None:
        """Nothing more will come: all came, or it broke off for this reason."""
        self.over = True
        self.error = error
        self.flowing.set()  # nothing of it is left to be held
        self._head_there.set()
        self.news.set()

    async def head(self) -> bytes:
        """The first bytes, once they are all there; fewer where the transfer was over before."""
        await self._head_there.wait()
        return bytes(self._head)

    def limit(self, total: int | None) -> None:
        """Hold the origin once it has sent `total` bytes in all, whatever the client took; None lifts that."""
        if self._dropped or total == self._limit:
            return
        self._limit = total
        self._hold(total is not None)
        self._hold_or_flow()

    def _hold_or_flow(self) -> None:
        over_limit = self._limit is not None and self.bytes_from_origin >= self._limit
        if not self.over and (over_limit or self._buffered >= HELD_AT):
            self.flowing.clear()
        else:
            self.flowing.set()

    @property
    def waiting(self) -> int:
        """Bytes that wait for the client."""
        return self._buffered

    @property
    def has_data(self) -> bool:
        """Whether `take` would give something."""
        return bool(self._waiting)

    def take(self, limit: int) -> bytes:
        """What waits, in the pieces that came: one, or as many as `limit` bytes hold."""
        pieces: list[bytes] = []
        size = 0
        while self._waiting and (not pieces or size + len(self._waiting[0]) <= limit):
            piece = self._waiting.popleft()
            pieces.append(piece)
            size += len(piece)
        self._buffered -= size
        self._hold_or_flow()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def drop(self) -> None:
        """Nobody wants the rest. Its reader stays held until it is cancelled: what it read would be wasted."""
        self._dropped = True
        if self._limit is not None:
            self._hold(False)  # an HTTP/2 connection goes on with other streams
        self._waiting.clear()
        self._buffered = 0
        if not self.over:
            self.flowing.clear()
