"""The search for a copy on this disk that may be handed out: opened, unchanged, and proven to the origin."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from addon.partial import Representation
from addon.ports import Origin
from addon.proof import HEAD_SIZE, UnprovenError, compare_head, compare_samples, sample_ranges
from addon.sources.local_file import LocalFile, LocalFileError
from hashdb.digest import Digest
from hashdb.records import KnownFile


class Proof(StrEnum):
    """What an origin has to show before it is taken for one that holds the file."""

    SAMPLES = "samples"
    HEAD = "head"
    TRUST = "trust"


type ProveOnce = Callable[[Digest, Callable[[], Awaitable[int]]], Awaitable[int]]
"""Proves that the origin holds the content, unless that was done a moment ago or is being done.

Gives the bytes that the origin sent for it. Raises UnprovenError, and what the given proof raises.
"""


async def prove_each_time(_content: Digest, proof: Callable[[], Awaitable[int]]) -> int:
    """Where nothing may be remembered."""
    return await proof()


@dataclass(slots=True)
class Search:
    """One search. `run` it once."""

    copies: Sequence[KnownFile]
    proof: Proof
    known: Representation
    start: int
    """Where in the representation the origin's first byte lies."""
    head: Callable[[], Awaitable[bytes]]
    """Waits for the first bytes from the origin."""
    origin: Origin
    disk: Executor
    forget: Callable[[KnownFile, str], None]
    """The file is not what its record says: drop the record, for this reason. Must not block."""
    prove_once: ProveOnce = prove_each_time
    choose: random.Random = field(default_factory=random.SystemRandom)
    reason: str = ""
    """Why nothing was found."""
    bytes_from_origin: int = 0
    """What the proof cost."""

    async def run(self) -> LocalFile | None:
        """The first copy that stands up to it, open; None where none does."""
        for record in self.copies:
            try:
                copy = await LocalFile.open(record, self.disk)
            except LocalFileError as error:
                self._reject(record, error)
                continue
            if await self._stands(copy):
                return copy
        return None

    async def _stands(self, copy: LocalFile) -> bool:
        proven = False
        try:
            await self._prove(copy)
            proven = True
        except UnprovenError as error:
            self.reason = f"not proven, {error}"
        except LocalFileError as error:
            self._reject(copy.record, error)
        finally:
            if not proven:
                copy.close()
        return proven

    async def _prove(self, copy: LocalFile) -> None:
        if self.proof is Proof.TRUST:
            return
        head = await self.head()
        if self.proof is Proof.HEAD and len(head) < min(HEAD_SIZE, self.known.total - self.start):
            raise UnprovenError("the origin broke off before it had shown the first bytes")
        await compare_head(copy, self.start, head)
        if self.proof is Proof.SAMPLES:
            ranges = sample_ranges(self.known.total, self.choose)
            proof = partial(compare_samples, copy, self.origin, ranges, self.known)
            self.bytes_from_origin += await self.prove_once(copy.record.sums.sha256, proof)

    def _reject(self, record: KnownFile, error: LocalFileError) -> None:
        self.reason = str(error)
        self.forget(record, self.reason)
