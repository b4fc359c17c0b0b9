"""Digests of whole files, and the sums of their blocks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import xxhash

BLOCK_SIZE = 1 << 20
"""Bytes of a file that one block sum covers; the last block of a file may be shorter."""

BLOCK_SUM_SIZE = 16
"""Bytes of one block sum (XXH3-128, as `xxhash.xxh3_128_digest` gives it)."""


class Algorithm(StrEnum):
    """Digest algorithms that origins name. The value is the name that Nearfetch prints."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"

    @property
    def size(self) -> int:
        """Bytes of a digest of this algorithm."""
        return hashlib.new(self.value, usedforsecurity=False).digest_size


SIZES = {algorithm: algorithm.size for algorithm in Algorithm}


class InvalidDigestError(ValueError):
    """A text or a value that is no digest; the message says why."""


@dataclass(frozen=True, slots=True)
class Digest:
    """An algorithm and a value of its length."""

    algorithm: Algorithm
    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) != SIZES[self.algorithm]:
            raise InvalidDigestError(
                f"a {self.algorithm} digest has {SIZES[self.algorithm]} bytes, not {len(self.value)}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `sha1:HEX`, `sha256:HEX`, …, or hex alone, whose length then names the algorithm.

        Raises InvalidDigestError.
        """
        name, _, digits = text.strip().rpartition(":")
        try:
            value = bytes.fromhex(digits)
        except ValueError:
            raise InvalidDigestError(f"{text!r} is no digest: it should look like sha1:HEX") from None
        if not name:
            return cls(_algorithm_of_length(len(value), text), value)
        try:
            algorithm = Algorithm(name.lower().replace("-", ""))
        except ValueError:
            known = ", ".join(Algorithm)
            raise InvalidDigestError(f"{name!r} is no algorithm that Nearfetch knows ({known})") from None
        return cls(algorithm, value)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value.hex()}"


def _algorithm_of_length(length: int, text: str) -> Algorithm:
    for algorithm, size in SIZES.items():
        if size == length:
            return algorithm
    raise InvalidDigestError(f"{text!r} has no length of a digest: it should look like sha1:HEX")


@dataclass(frozen=True, slots=True)
class ContentSums:
    """All that one pass over a content gives."""

    length: int
    sha1: Digest
    sha256: Digest
    blocks: bytes
    """The block sums, BLOCK_SUM_SIZE bytes each, in order."""


def block_sum(block: bytes | memoryview) -> bytes:
    """The sum of one block. It guards against a disk that errs, not against an adversary."""
    return xxhash.xxh3_128_digest(block)


class ContentHasher:
    """SHA-1, SHA-256 and the block sums of a content that comes in pieces."""

    def __init__(self) -> None:
        self.length = 0
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._block = xxhash.xxh3_128()
        self._blocks = bytearray()

    def update(self, data: bytes | memoryview) -> None:
        """Take the next piece, of any size."""
        self._sha1.update(data)
        self._sha256.update(data)
        view = memoryview(data)
        while view:
            room = BLOCK_SIZE - self.length % BLOCK_SIZE
            piece = view[:room]
            self._block.update(piece)
            self.length += len(piece)
            view = view[room:]
            if self.length % BLOCK_SIZE == 0:
                self._end_block()

    def _end_block(self) -> None:
        self._blocks += self._block.digest()
        self._block.reset()

    def finish(self) -> ContentSums:
        """What all pieces came to. Call it once."""
        if self.length % BLOCK_SIZE:
            self._end_block()
        return ContentSums(
            length=self.length,
            sha1=Digest(Algorithm.SHA1, self._sha1.digest()),
            sha256=Digest(Algorithm.SHA256, self._sha256.digest()),
            blocks=bytes(self._blocks),
        )
