"""After a local copy failed in the middle of a delivery: the rest from its origin, tried more than once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from addon.partial import Representation
from addon.ports import Origin
from addon.ranges import ByteRange
from addon.sources.refetch import Refetch, RefetchError

PAUSES = (0.0, 0.5, 2.0)
"""Seconds before each try that brings nothing new."""


@dataclass(slots=True)
class Fallback:
    """Fetches from where the client stands up to `end`, whatever breaks on the way."""

    origin: Origin
    known: Representation
    end: int
    recorded_sum: Callable[[int], bytes]
    """Of the block with a number, in the content that the client has the beginning of."""
    left: asyncio.Event
    """Set once the client is gone."""
    patience: float
    """Seconds without a byte after which the origin counts as gone."""
    bytes_from_origin: int = 0
    """What the origin sent, once it is closed."""
    _refetch: Refetch | None = None

    async def next(self, sent_to: int) -> bytes:
        """The bytes from `sent_to` on, where the last ones ended. Raises RefetchError once there is no hope."""
        for pause in PAUSES:
            await asyncio.sleep(pause)
            try:
                return await self._unless_left(self._fetched(sent_to))
            except RefetchError as error:
                self.bytes_from_origin += error.bytes_from_origin
                await self.close()
                last = error
                if error.final:
                    break
        raise last

    async def close(self) -> None:
        """Give the connection back."""
        refetch, self._refetch = self._refetch, None
        if refetch is not None:
            self.bytes_from_origin += refetch.bytes_from_origin
            await refetch.close()

    async def _fetched(self, sent_to: int) -> bytes:
        if self._refetch is None:
            self._refetch = await Refetch.open(self.origin, ByteRange(sent_to, self.end), self.known, self.patience)
        return await self._refetch.read(self.recorded_sum)

    async def _unless_left(self, work: Coroutine[Any, Any, bytes]) -> bytes:
        """The work's result, unless the client leaves before it is there."""
        working = asyncio.create_task(work)
        leaving = asyncio.create_task(self.left.wait())
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait({working})
        if working.cancelled():
            raise RefetchError("the client left", final=True)
        return working.result()
