"""An origin in memory, that really answers ranges and whole requests, with switches for its faults."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mitmproxy.http import Headers

from addon.ports import Answer, OwnRequestError
from addon.ranges import ByteRange, parse_range

ETAG = '"v1"'


@dataclass
class FakeOrigin:
    """What `addon.ports.Origin` describes. Switches hold for the answers that follow."""

    content: bytes
    etag: str | None = ETAG
    multiplexed: bool = False
    piece: int = 64 << 10
    """Bytes of a body that one `read` gives."""

    ignores_ranges: bool = False
    shifted_by: int = 0
    """A 206 covers a range that begins this much later."""
    status: int | None = None
    """The answer to everything, without a body."""
    encoding: str | None = None
    hides_length: bool = False
    """A 200 has no Content-Length."""
    refuses: bool = False
    """No connection is made."""
    gate: asyncio.Event | None = None
    """Answers stall until it is set."""
    pace: float = 0.0
    """Seconds between the pieces of a body."""
    breaks_after: deque[int] = field(default_factory=deque)
    """Of each of the next bodies: the bytes after which it breaks off with an error."""
    ends_after: deque[int] = field(default_factory=deque)
    """The same, but it ends as if it were complete."""
    surplus: bytes = b""
    """Comes after each body."""
    session_error: Exception | None = None
    """Opening a connection raises it."""

    asked: list[Mapping[str, str]] = field(default_factory=list)
    """The headers of each request, lower case."""
    connections: int = 0
    open_now: int = 0
    """Requests and connections that were not given back."""
    most_at_once: int = 0
    """The most requests that one connection carried side by side."""

    @asynccontextmanager
    async def session(self) -> AsyncIterator[FakeSession]:
        if self.session_error is not None:
            raise self.session_error
        self.connections += 1
        self.open_now += 1
        try:
            yield FakeSession(self)
        finally:
            self.open_now -= 1

    @asynccontextmanager
    async def again(self, headers: dict[str, str]) -> AsyncIterator[FakeRequest]:
        async with self.session() as session, session.again(headers) as request:
            yield request

    def respond(self, headers: Mapping[str, str]) -> tuple[Answer, bytes]:
        """The answer as RFC 9110 has it, but for the switches that are turned."""
        if self.status is not None:
            return Answer(self.status, Headers()), b""
        asked = parse_range(headers.get("range", ""))
        meant = asked.resolve(len(self.content)) if asked else None
        conditional = headers.get("if-range")
        if meant is None or self.ignores_ranges or conditional not in (None, self.etag):
            return self._answer(200, {}), self.content
        covered = ByteRange(
            meant.start + self.shifted_by, min(meant.end_exclusive + self.shifted_by, len(self.content))
        )
        place = f"bytes {covered.start}-{covered.end_exclusive - 1}/{len(self.content)}"
        body = self.content[covered.start : covered.end_exclusive]
        return self._answer(206, {"Content-Range": place, "Content-Length": str(len(body))}), body

    def _answer(self, status: int, fields: dict[str, str]) -> Answer:
        if status == 200 and not self.hides_length:
            fields["Content-Length"] = str(len(self.content))
        if self.etag is not None:
            fields["ETag"] = self.etag
        if self.encoding is not None:
            fields["Content-Encoding"] = self.encoding
        return Answer(status, Headers([(name.encode(), value.encode()) for name, value in fields.items()]))


class FakeSession:
    """One connection."""

    def __init__(self, origin: FakeOrigin) -> None:
        self._origin = origin
        self._turn = asyncio.Semaphore(8 if origin.multiplexed else 1)
        self._at_once = 0

    @asynccontextmanager
    async def again(self, headers: dict[str, str]) -> AsyncIterator[FakeRequest]:
        async with self._turn:
            self._origin.open_now += 1
            self._at_once += 1
            self._origin.most_at_once = max(self._origin.most_at_once, self._at_once)
            try:
                yield FakeRequest(self._origin, headers)
            finally:
                self._at_once -= 1
                self._origin.open_now -= 1


class FakeRequest:
    """One request, and its answer."""

    def __init__(self, origin: FakeOrigin, headers: Mapping[str, str]) -> None:
        self._origin = origin
        self.headers = {name.lower(): value for name, value in headers.items()}
        origin.asked.append(self.headers)
        self.body_bytes = 0
        self._body: bytes | None = None
        self._breaks_at = origin.breaks_after.popleft() if origin.breaks_after else None
        self._ends_at = origin.ends_after.popleft() if origin.ends_after else None

    async def answer(self) -> Answer:
        await asyncio.sleep(0)
        if self._origin.gate is not None:
            await self._origin.gate.wait()
        if self._origin.refuses:
            raise OwnRequestError("connection refused")
        answer, body = self._origin.respond(self.headers)
        self._body = (body + self._origin.surplus)[: self._ends_at]
        return answer

    async def read(self) -> bytes:
        assert self._body is not None, "the answer's head comes first"
        await asyncio.sleep(self._origin.pace)
        left = len(self._body) - self.body_bytes
        if self._breaks_at is not None:
            left = min(left, self._breaks_at - self.body_bytes)
            if left <= 0:
                raise OwnRequestError("connection reset")
        data = self._body[self.body_bytes : self.body_bytes + min(left, self._origin.piece)]
        self.body_bytes += len(data)
        return data
