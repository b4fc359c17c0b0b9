"""One download that is being delivered: which source feeds the client, and when that changes.

It starts as the plain download. A local copy is looked for and proven beside it; once that is done, the client is
fed from the copy at the byte where it stands, and the origin's transfer is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from addon.fallback import Fallback
from addon.outcome import Kind, Outcome
from addon.ports import Block, Broken, ClientLeft, Finished, Step
from addon.proof import HEAD_SIZE
from addon.ranges import Span
from addon.search import Search
from addon.sent import SentBytes
from addon.sources.local_file import LocalFile, LocalFileError
from addon.sources.refetch import RefetchError
from addon.sources.upstream import Upstream
from hashdb.digest import BLOCK_SIZE
from hashdb.paths import printable

logger = logging.getLogger(__name__)

HELD_AFTER = HEAD_SIZE
"""Bytes after which the origin is held while a copy is being proven: the proof begins with these."""

HELD_SECONDS = 2.0
"""How long it is held for that, at the most."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a delivery keeps to."""

    certain: bool
    """Nothing has to be proven, so the client waits for the copy to be opened."""
    hold_origin: bool
    """The origin waits a moment while a copy is being proven, rather than send what may not be needed."""
    patience: float
    """Seconds without a byte from the origin after which it counts as gone."""


class Delivery:
    """The body of one response, as `addon.ports.Body` describes it."""

    def __init__(
        self, span: Span, upstream: Upstream, search: Search, terms: Terms, done: Callable[[Outcome], None]
    ) -> None:
        """Starts the search at once. `done` is told what became of it, when it is over."""
        self.upstream_wanted = True
        self.outcome = Outcome(wanted=span.length)
        self._upstream = upstream
        self._search = search
        self._terms = terms
        self._done = done
        self._end = span.end
        self._sent = SentBytes(span.start)
        self._local: LocalFile | None = None
        self._fallback: Fallback | None = None
        self._left = asyncio.Event()
        self._wait_for_copy = terms.certain
        self._searching: asyncio.Task[LocalFile | None] | None = asyncio.create_task(search.run())
        self._searching.add_done_callback(lambda _: upstream.news.set())
        if terms.hold_origin or terms.certain:
            upstream.limit(HELD_AFTER)
            asyncio.get_running_loop().call_later(HELD_SECONDS, self._hold_no_longer)

    @property
    def flowing(self) -> asyncio.Event:
        """Cleared while the origin should not be read."""
        return self._upstream.flowing

    @property
    def waiting(self) -> int:
        """Bytes from the origin that wait for the client."""
        return self._upstream.waiting

    def upstream_data(self, data: bytes) -> None:
        """The origin sent more."""
        if self.upstream_wanted:
            self._upstream.feed(data)

    def upstream_ended(self) -> None:
        """The origin has sent all."""
        self._upstream.end(None)

    def upstream_failed(self, reason: str) -> None:
        """The origin broke off."""
        self._upstream.end(reason)

    def client_left(self) -> None:
        """Nobody listens any more."""
        self._left.set()
        self._upstream.news.set()

    def _hold_no_longer(self) -> None:
        self._wait_for_copy = False
        self._upstream.limit(None)
        self._upstream.news.set()

    async def next(self) -> Step:
        """The next block, from whichever source is nearest now."""
        while True:
            self._upstream.news.clear()
            step = await self._step()
            if step is not None:
                return step

    async def _step(self) -> Step | None:
        """None: look again."""
        if self._left.is_set():
            return ClientLeft("Client disconnected.")
        if self._local is not None:
            return await self._from_local(self._local)
        if self._fallback is not None:
            return await self._from_fallback(self._fallback)
        if self._searching is not None and self._searching.done():
            await self._take_copy(self._searching)
            return None
        if self._searching is None or not self._wait_for_copy:
            if self._upstream.has_data:
                return self._block(self._upstream.take(BLOCK_SIZE))
            if self._upstream.over and (self._complete or self._searching is None):
                return self._end_of_upstream()
        return await self._wait()

    @property
    def _complete(self) -> bool:
        return self._sent.end >= self._end

    async def _wait(self) -> Step | None:
        try:
            async with asyncio.timeout(self._terms.patience):
                await self._upstream.news.wait()
        except TimeoutError:
            if self._upstream.flowing.is_set():
                return Broken(f"the origin sent nothing for {self._terms.patience:.0f} s")
        return None

    def _end_of_upstream(self) -> Step:
        if self._complete:
            return Finished()
        return Broken(self._upstream.error or "the origin sent less than it had promised")

    async def _take_copy(self, searching: asyncio.Task[LocalFile | None]) -> None:
        """Switch to the copy that was found, if it begins with what the client already has."""
        self._searching = None
        copy = self._found(searching)
        if copy is not None and await self._goes_on_from_here(copy):
            self._local = copy
            self.upstream_wanted = False
            self._upstream.drop()
            self.outcome.reason = f"from {printable(copy.record.path)}"
        else:
            self._upstream.limit(None)

    def _found(self, searching: asyncio.Task[LocalFile | None]) -> LocalFile | None:
        self.outcome.reason = self._search.reason
        error = searching.exception()
        if error is None:
            return searching.result()
        # A fault of ours must not cost the client its download.
        logger.error("Nearfetch failed while it looked for a copy: %r", error, exc_info=error)
        self.outcome.reason = f"the search for a copy failed: {error!r}"
        return None

    async def _goes_on_from_here(self, copy: LocalFile) -> bool:
        """Whether the copy begins with what was sent; it is closed where it does not."""
        try:
            if await copy.begins_with(self._sent):
                return True
        except LocalFileError as error:
            self._reject(copy, error)
            return False
        self.outcome.reason = "what the origin sent is not what the local copy holds"
        copy.close()
        return False

    async def _from_local(self, copy: LocalFile) -> Step | None:
        if self._complete:
            return Finished()
        try:
            data = await copy.read(self._sent.end, self._end)
        except LocalFileError as error:
            self._local, self._fallback = None, self._fallback_of(copy)
            self._reject(copy, error)
            return None
        self.outcome.kind = Kind.LOCAL
        self._sent.update_blocks(data, copy.recorded_sum)
        return self._delivered(data)

    def _block(self, data: bytes) -> Block:
        self._sent.update(data)
        return self._delivered(data)

    def _delivered(self, data: bytes) -> Block:
        self.outcome.delivered += len(data)
        return Block(data)

    def _reject(self, copy: LocalFile, error: LocalFileError) -> None:
        self.outcome.reason = str(error)
        self._search.forget(copy.record, str(error))
        copy.close()

    def _fallback_of(self, copy: LocalFile) -> Fallback:
        search = self._search
        return Fallback(search.origin, search.known, self._end, copy.recorded_sum, self._left, self._terms.patience)

    async def _from_fallback(self, fallback: Fallback) -> Step:
        if self._complete:
            return Finished()
        try:
            return self._block(await fallback.next(self._sent.end))
        except RefetchError as error:
            if self._left.is_set():
                return ClientLeft("Client disconnected.")
            return Broken(f"after the local copy failed, {error}")

    async def close(self, last: Step) -> None:
        """Give everything back, and say what became of it."""
        try:
            await self._give_back()
        finally:
            self._sum_up(last)
            self._done(self.outcome)

    async def _give_back(self) -> None:
        self._upstream.drop()
        if self._searching is not None:
            await self._stop_search(self._searching)
        _close(self._local)
        if self._fallback is not None:
            await self._fallback.close()

    def _sum_up(self, last: Step) -> None:
        if self._fallback is not None:
            self.outcome.from_origin += self._fallback.bytes_from_origin
        self.outcome.from_origin += self._upstream.bytes_from_origin + self._search.bytes_from_origin
        self.outcome.reason = self.outcome.reason or "it was over before a local copy was proven"
        match last:
            case Broken(reason):
                self.outcome.end = f"broken off: {reason}"
            case ClientLeft():
                self.outcome.end = "the client left"

    async def _stop_search(self, searching: asyncio.Task[LocalFile | None]) -> None:
        searching.cancel()
        await asyncio.wait([searching])
        if not searching.cancelled() and searching.exception() is None:
            _close(searching.result())


def _close(copy: LocalFile | None) -> None:
    if copy is not None:
        copy.close()
