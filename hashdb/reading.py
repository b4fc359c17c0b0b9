"""Read files that others may change, replace or remove at any moment."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO

from hashdb.digest import BLOCK_SIZE, BLOCK_SUM_SIZE, ContentHasher, ContentSums, block_sum
from hashdb.fingerprint import Fingerprint

PIECE_SIZE = 256 << 10
"""Bytes read at once: small enough to stay in a core's cache while three hashes go over it."""

# A name may turn into a link or a pipe between the walk and the opening; neither must be followed or waited for.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

type OnBytes = Callable[[int], None]
"""Told after each piece how many bytes were read; may raise to end the reading."""


class FileChangedError(Exception):
    """The file is not, or did not stay, the one with the fingerprint expected."""


@contextmanager
def opened(path: str, expected: Fingerprint) -> Iterator[FileIO]:
    """Open `path`, which must have the fingerprint `expected` when it is opened and still when all is read.

    Raises FileChangedError where it has not, and OSError where it cannot be opened.
    """
    with _open(path) as file:
        _require(file, expected)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        yield file
        _require(file, expected)


def _open(path: str) -> FileIO:
    try:
        return FileIO(os.open(path, _FLAGS))
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileChangedError from error
        raise


def _require(file: FileIO, expected: Fingerprint) -> None:
    if Fingerprint.of(os.fstat(file.fileno())) != expected:
        raise FileChangedError


def read_sums(path: str, expected: Fingerprint, buffer: bytearray, on_bytes: OnBytes) -> ContentSums:
    """All sums of the file with the fingerprint `expected`, read once.

    `buffer` must hold a piece. Raises FileChangedError, OSError, and whatever `on_bytes` raises.
    """
    hasher = ContentHasher()
    with opened(path, expected) as file:
        view = memoryview(buffer)[:PIECE_SIZE]
        while count := file.readinto(view):
            hasher.update(view[:count])
            on_bytes(count)
            if hasher.length > expected.size:
                break
    if hasher.length != expected.size:
        raise FileChangedError
    return hasher.finish()


def first_bad_block(
    path: str, expected: Fingerprint, sums: ContentSums, buffer: bytearray, on_bytes: OnBytes
) -> int | None:
    """The number of the first block that is not what its sum says, or None; reads the whole file.

    `buffer` must hold a block. Raises FileChangedError, OSError, and whatever `on_bytes` raises.
    """
    with opened(path, expected) as file:
        for number in range(block_count(expected.size)):
            if not _block_agrees(file, number, sums, buffer):
                return number
            on_bytes(min(BLOCK_SIZE, expected.size - number * BLOCK_SIZE))
    return None if expected.size == sums.length else 0


def blocks_agree(path: str, expected: Fingerprint, sums: ContentSums, numbers: set[int], buffer: bytearray) -> bool:
    """Whether the blocks with these numbers are what their sums say, and the length is right.

    `buffer` must hold a block. Raises FileChangedError and OSError.
    """
    with opened(path, expected) as file:
        return expected.size == sums.length and all(
            _block_agrees(file, number, sums, buffer) for number in sorted(numbers)
        )


def block_count(size: int) -> int:
    """How many blocks a file of `size` bytes has."""
    return -(-size // BLOCK_SIZE)


def _block_agrees(file: FileIO, number: int, sums: ContentSums, buffer: bytearray) -> bool:
    file.seek(number * BLOCK_SIZE)
    block = memoryview(buffer)[:BLOCK_SIZE]
    length = 0
    while count := file.readinto(block[length:]):
        length += count
    start = number * BLOCK_SUM_SIZE
    return block_sum(block[:length]) == sums.blocks[start : start + BLOCK_SUM_SIZE]
