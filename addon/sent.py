"""What was sent to a client so far, in a form that can be compared without keeping it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import xxhash

from hashdb.digest import BLOCK_SIZE


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of bytes within one block of the representation, and its block sum."""

    start: int
    end: int
    sum: bytes

    def is_whole_block(self, total: int) -> bool:
        """Whether it is all of its block, in a representation of `total` bytes."""
        return self.start % BLOCK_SIZE == 0 and self.end == min(self.start + BLOCK_SIZE, total)


class SentBytes:
    """Sums of what was sent, cut at the borders of blocks. 16 bytes of memory for each MiB sent."""

    def __init__(self, start: int) -> None:
        """`start`: where in the representation the first byte lies."""
        self.start = start
        self.end = start
        self._sums: list[bytes] = []
        self._open = xxhash.xxh3_128()

    def update(self, data: bytes | memoryview) -> None:
        """These bytes were sent next."""
        view = memoryview(data)
        while view:
            room = BLOCK_SIZE - self.end % BLOCK_SIZE
            piece = view[:room]
            self._open.update(piece)
            self.end += len(piece)
            view = view[room:]
            if self.end % BLOCK_SIZE == 0:
                self._sums.append(self._open.digest())
                self._open.reset()

    def update_blocks(self, data: bytes, sum_of: Callable[[int], bytes]) -> None:
        """These bytes were sent next, and the sums of their whole blocks are known, by the blocks' numbers."""
        place = 0
        while self.end % BLOCK_SIZE == 0 and len(data) - place >= BLOCK_SIZE:
            self._sums.append(sum_of(self.end // BLOCK_SIZE))
            self.end += BLOCK_SIZE
            place += BLOCK_SIZE
        self.update(memoryview(data)[place:])

    def pieces(self) -> Iterator[Piece]:
        """All that was sent, in order."""
        start = self.start
        for block in self._sums:
            end = (start // BLOCK_SIZE + 1) * BLOCK_SIZE
            yield Piece(start, end, block)
            start = end
        if start < self.end:
            yield Piece(start, self.end, self._open.digest())
