"""Proofs that were given a moment ago or are being given, so that a client's many ranges of one file share one."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from addon.proof import UnprovenError
from hashdb.digest import Digest

REMEMBERED_SECONDS = 60.0
"""How long a proof holds."""

MAX_REMEMBERED = 1024
"""Proofs that are remembered; the oldest goes first."""


@dataclass(frozen=True, slots=True)
class Showing:
    """An origin shows, on a client's behalf, with its answers for a URL and a strong entity tag."""

    client: str
    url: str
    etag: str


type Key = tuple[Showing, Digest]


class Proven:
    """Which origin has shown that it holds which content. Times are monotonic seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since: OrderedDict[Key, float] = OrderedDict()
        self._under_way: dict[Key, asyncio.Future[str]] = {}

    def __len__(self) -> int:
        """Proofs that are remembered, expired ones among them."""
        return len(self._since)

    async def once(self, showing: Showing, content: Digest, proof: Callable[[], Awaitable[int]]) -> int:
        """Run the proof, unless it was given a moment ago; one that is under way is waited for.

        Gives the bytes that the origin sent for it now. Raises UnprovenError, and what the proof raises.
        """
        key = (showing, content)
        while not self._holds(key):
            other = self._under_way.get(key)
            if other is None:
                return await self._prove(key, proof)
            await asyncio.wait([other])
            if other.result():
                raise UnprovenError(other.result())
        return 0

    async def _prove(self, key: Key, proof: Callable[[], Awaitable[int]]) -> int:
        """Others that wait learn why it was not proven; where it was given up, one of them tries instead."""
        verdict = self._under_way[key] = asyncio.get_running_loop().create_future()
        why_not = ""
        try:
            cost = await proof()
            self._remember(key)
        except UnprovenError as error:
            why_not = str(error)
            raise
        finally:
            del self._under_way[key]
            verdict.set_result(why_not)
        return cost

    def _remember(self, key: Key) -> None:
        self._since.pop(key, None)
        self._since[key] = self._now()
        while len(self._since) > MAX_REMEMBERED:
            self._since.popitem(last=False)

    def _holds(self, key: Key) -> bool:
        """Whether it is remembered and young; a clock that went backwards says no."""
        since = self._since.get(key)
        return since is not None and 0 <= self._now() - since < REMEMBERED_SECONDS
