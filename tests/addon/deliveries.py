"""A delivery with all that it needs, and a client that takes what it is given."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from addon.delivery import Delivery, Terms
from addon.outcome import Outcome
from addon.ports import Block, Finished, Step
from addon.proof import HEAD_SIZE
from addon.ranges import Span
from addon.search import Proof, Search
from addon.sources.upstream import Upstream
from hashdb.records import KnownFile
from tests.addon.fake_origin import FakeOrigin
from tests.addon.held import Disk, Forgotten, all_closed, known

PIECE = 64 << 10


@dataclass
class Scene:
    """One response for `content[start:end]`, of which `copies` may be on the disk."""

    content: bytes
    copies: Sequence[KnownFile]
    disk: Disk
    start: int = 0
    end: int | None = None
    origin: FakeOrigin | None = None
    """Answers requests of our own; by default one that has the same content."""
    proof: Proof = Proof.SAMPLES
    hold_origin: bool = False
    patience: float = 20.0
    forgotten: Forgotten = field(default_factory=Forgotten)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.origin = self.origin or FakeOrigin(self.content)
        self.asks = self.origin
        self.stop = len(self.content) if self.end is None else self.end
        self.wanted = self.content[self.start : self.stop]

    def open(self) -> Delivery:
        """Begin. Needs a running loop."""
        upstream = Upstream(HEAD_SIZE)
        search = Search(
            copies=self.copies,
            proof=self.proof,
            known=known(self.content, self.asks.etag),
            start=self.start,
            head=upstream.head,
            origin=self.asks,
            disk=self.disk,
            forget=self.forgotten,
            choose=random.Random(1),
        )
        terms = Terms(self.proof is Proof.TRUST, self.hold_origin, self.patience)
        span = Span(self.start, self.stop, len(self.content))
        return Delivery(span, upstream, search, terms, self.outcomes.append)

    async def all_given_back(self) -> None:
        """Every descriptor, connection and request; what a thread is just opening, as soon as it is open."""
        assert self.asks.open_now == 0
        await all_closed(self.disk, *self.copies)

    @property
    def outcome(self) -> Outcome:
        (only,) = self.outcomes
        return only


async def feed(delivery: Delivery, pieces: Iterable[bytes], error: str | None = None) -> None:
    """What mitmproxy does with an origin's transfer: it is read while it may flow, and dropped when it is unwanted."""
    for piece in pieces:
        await delivery.flowing.wait()
        if not delivery.upstream_wanted:
            return
        delivery.upstream_data(piece)
        await asyncio.sleep(0)
    if error is None:
        delivery.upstream_ended()
    else:
        delivery.upstream_failed(error)


def pieces_of(content: bytes, size: int = PIECE) -> list[bytes]:
    return [content[place : place + size] for place in range(0, len(content), size)]


@asynccontextmanager
async def fed(
    delivery: Delivery, pieces: Iterable[bytes], error: str | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    feeding = asyncio.create_task(feed(delivery, pieces, error))
    try:
        yield feeding
    finally:
        feeding.cancel()
        await asyncio.wait([feeding])


async def take(delivery: Delivery, at_least: int) -> bytes:
    """The next blocks, until there are this many bytes."""
    got = b""
    while len(got) < at_least:
        step = await delivery.next()
        assert isinstance(step, Block), step
        assert step.data, "a block is never empty"
        got += step.data
    return got


async def take_all(delivery: Delivery) -> tuple[bytes, Step]:
    """All blocks, and the last step, with which it was closed."""
    got = b""
    while isinstance(step := await delivery.next(), Block):
        assert step.data, "a block is never empty"
        got += step.data
    await delivery.close(step)
    return got, step


async def searched(delivery: Delivery) -> None:
    """Wait until the search is over, whatever it found."""
    if delivery._searching is not None:
        await asyncio.wait([delivery._searching])


async def play(scene: Scene, pieces: Iterable[bytes] | None = None, error: str | None = None) -> tuple[bytes, Step]:
    """One delivery from beginning to end."""
    delivery = scene.open()
    async with fed(delivery, pieces_of(scene.wanted) if pieces is None else pieces, error):
        got, last = await take_all(delivery)
    await scene.all_given_back()
    assert scene.outcome.delivered == len(got)
    assert not isinstance(last, Finished) or len(got) == len(scene.wanted)
    return got, last
