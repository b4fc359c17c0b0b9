"""The sending of one body, with pacing and faults, the same for HTTP/1 and HTTP/2."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Protocol

from tests.origin.accounting import Ledger, Record
from tests.origin.answer import Answer, Span
from tests.origin.resources import Cut, CutKind, Reader, Resource, next_cut, open_content

BLOCK = 256 * 1024
SMALLEST_BLOCK = 256
BLOCKS_PER_SECOND = 50
"""When paced: enough for a smooth flow, few enough to be cheap."""


class PeerLeftError(Exception):
    """The client closed the connection or reset the stream."""


class BodyCutError(Exception):
    """A fault that was asked for: the body ends here."""

    def __init__(self, kind: CutKind) -> None:
        super().__init__(kind)
        self.kind = kind


class Pace:
    """A token bucket without burst; rates are bytes per second."""

    def __init__(self) -> None:
        self._free_at = 0.0

    def reserve(self, count: int, rate: float | None) -> float:
        """Seconds to wait before `count` bytes may go."""
        if rate is None:
            return 0.0
        now = time.monotonic()
        start = max(now, self._free_at)
        self._free_at = start + count / rate
        return start - now


class Sink(Protocol):
    """Where a body goes: one response on one connection."""

    left: asyncio.Event
    """Set once the peer is known to be gone."""
    pace: Pace
    """The connection's."""

    async def send(self, block: bytes | memoryview) -> None:
        """Return once the socket layer has taken the block; raises PeerLeftError."""


@dataclass
class Site:
    """All that the connections of an origin share."""

    resources: dict[str, Resource] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    pace: Pace = field(default_factory=Pace)
    rate: float | None = None
    """Bytes per second, of all bodies together."""

    def find(self, path: str) -> Resource | None:
        """By path with query, or else without."""
        return self.resources.get(path) or self.resources.get(path.partition("?")[0])


@dataclass(frozen=True)
class Exchange:
    """One answer on its way."""

    site: Site
    record: Record
    resource: Resource
    answer: Answer
    sink: Sink

    async def send_body(self) -> None:
        """Send what the answer says; raises BodyCutError and PeerLeftError."""
        if self.answer.span is not None:
            with open_content(self.resource.sent_content) as read:
                await self._send_span(self.answer.span, read)
        elif self.answer.text:
            await self._send_block(self.answer.text)

    async def _send_span(self, span: Span, read: Reader) -> None:
        position, stop = span.start, span.stop
        last_cut = stop if self.answer.chunked else stop - 1  # its end can be cut too
        while True:
            cut = next_cut(self.resource.cut_at, position, last_cut)
            if cut is not None and cut.after_bytes == position:
                await _carry_out(cut, self.sink.left)
            elif position < stop:
                end = stop if cut is None else cut.after_bytes
                position += await self._send_next(Span(position, end), read)
            else:
                return

    async def _send_next(self, span: Span, read: Reader) -> int:
        """Send one block from the span's start, when the rates allow it; how many bytes that were."""
        own_rate, shared_rate = self.resource.rate_per_connection, self.site.rate
        rates = [rate for rate in (own_rate, shared_rate) if rate is not None]
        paced = max(int(min(rates) / BLOCKS_PER_SECOND), SMALLEST_BLOCK) if rates else BLOCK
        block = read(span.start, min(BLOCK, paced, span.stop - span.start))
        if not block:
            raise EOFError("the content is shorter than its resource says")
        own = self.sink.pace.reserve(len(block), own_rate)
        await pause(self.sink.left, max(own, self.site.pace.reserve(len(block), shared_rate)))
        await self._send_block(block)
        return len(block)

    async def _send_block(self, block: bytes | memoryview) -> None:
        await self.sink.send(block)
        self.site.ledger.sent(self.record, len(block))


async def _carry_out(cut: Cut, left: asyncio.Event) -> None:
    cut.times -= 1
    if cut.kind == "stall":
        await left.wait()
        raise PeerLeftError
    if cut.kind == "hold":
        await _either(cut.released, left)
        return
    raise BodyCutError(cut.kind)


async def _either(event: asyncio.Event, left: asyncio.Event) -> None:
    """Wait for the event; raises PeerLeftError if the peer is gone first."""
    waits = [asyncio.ensure_future(each.wait()) for each in (event, left)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    if left.is_set():
        raise PeerLeftError


async def pause(left: asyncio.Event, seconds: float) -> None:
    """Let the time pass; raises PeerLeftError as soon as the peer is gone."""
    if seconds <= 0:
        return
    try:
        await asyncio.wait_for(left.wait(), seconds)
    except TimeoutError:
        return
    raise PeerLeftError
