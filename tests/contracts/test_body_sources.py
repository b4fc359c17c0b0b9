"""What every source of a body keeps to, whatever it is: the origin's transfer, a file, or the origin asked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from addon.ranges import ByteRange
from addon.sources.local_file import LocalFile, LocalFileError
from addon.sources.refetch import Refetch, RefetchError
from addon.sources.upstream import HELD_AT, Upstream
from hashdb.digest import BLOCK_SIZE, block_sum
from tests.addon.fake_origin import FakeOrigin
from tests.addon.held import MIB, Disk, all_closed, content_of, flipped, hold, known

CONTENT = content_of(3 * MIB + 999)
LENGTH = len(CONTENT)

LARGEST = 2 * BLOCK_SIZE
"""Bytes that a source gives at once, at the most."""


@dataclass(frozen=True)
class Stage:
    """Where a source takes its bytes from."""

    folder: Path
    disk: Disk
    bad_at: int | None = None
    """The place of a flipped bit, of which sources know that check what they give."""

    @property
    def bytes_there(self) -> bytes:
        return CONTENT if self.bad_at is None else flipped(CONTENT, self.bad_at)


type Next = Callable[[int, int], Awaitable[bytes]]
"""The bytes from the first place on, none from the second on."""

type Source = Callable[[Stage, int, int], AbstractAsyncContextManager[Next]]


@asynccontextmanager
async def upstream(stage: Stage, start: int, end: int) -> AsyncIterator[Next]:
    source = Upstream(64 << 10)
    for place in range(start, end, 50_000):
        source.feed(stage.bytes_there[place : min(place + 50_000, end)])
    source.end(None)

    async def take(_place: int, _end: int) -> bytes:
        return source.take(BLOCK_SIZE)

    yield take
    source.drop()
    source.drop()
    assert not source.has_data


@asynccontextmanager
async def local_file(stage: Stage, start: int, end: int) -> AsyncIterator[Next]:
    record = hold(stage.folder / "file", CONTENT, on_disk=stage.bytes_there)
    source = await LocalFile.open(record, stage.disk)
    yield source.read
    source.close()
    await all_closed(stage.disk, record)


@asynccontextmanager
async def refetch(stage: Stage, start: int, end: int) -> AsyncIterator[Next]:
    origin = FakeOrigin(stage.bytes_there)
    source = await Refetch.open(origin, ByteRange(start, end), known(CONTENT))

    async def read(_place: int, _end: int) -> bytes:
        return await source.read(sum_of)

    yield read
    await source.close()
    await source.close()
    assert origin.open_now == 0


@asynccontextmanager
async def refetch_of_all(stage: Stage, start: int, end: int) -> AsyncIterator[Next]:
    """From an origin that knows no ranges."""
    source = await Refetch.open(
        FakeOrigin(stage.bytes_there, ignores_ranges=True), ByteRange(start, end), known(CONTENT)
    )

    async def read(_place: int, _end: int) -> bytes:
        return await source.read(sum_of)

    yield read
    await source.close()


def sum_of(number: int) -> bytes:
    return block_sum(CONTENT[number * BLOCK_SIZE : (number + 1) * BLOCK_SIZE])


SOURCES = [upstream, local_file, refetch, refetch_of_all]
CHECKED = [local_file, refetch, refetch_of_all]
RANGES = [
    (0, LENGTH),
    (0, 1),
    (LENGTH - 1, LENGTH),
    (5, MIB),
    (MIB - 1, MIB + 1),
    (MIB, 2 * MIB),
    (MIB + 7, 3 * MIB + 500),
    (3 * MIB, LENGTH),
]


async def pieces(source: Source, stage: Stage, start: int, end: int) -> list[bytes]:
    got: list[bytes] = []
    place = start
    async with source(stage, start, end) as following:
        while place < end:
            got.append(await following(place, end))
            assert got[-1], "a source that is not over gives at least one byte"
            place += len(got[-1])
    return got


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Disk())


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("start", "end"), RANGES)
def test_all_bytes_in_order_and_none_beyond_the_end(source: Source, stage: Stage, start: int, end: int) -> None:
    assert b"".join(asyncio.run(pieces(source, stage, start, end))) == CONTENT[start:end]


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_given_at_once_is_bounded(source: Source, stage: Stage) -> None:
    assert max(map(len, asyncio.run(pieces(source, stage, 0, LENGTH)))) <= LARGEST
    assert LARGEST <= HELD_AT


@pytest.mark.parametrize("source", SOURCES)
def test_it_may_be_closed_before_anything_is_read(source: Source, stage: Stage) -> None:
    async def run() -> None:
        async with source(stage, MIB + 5, LENGTH):
            pass

    asyncio.run(run())


@pytest.mark.parametrize("source", CHECKED)
@pytest.mark.parametrize("bad_at", [0, MIB, 2 * MIB - 1, LENGTH - 1])
@pytest.mark.parametrize("start", [0, 7])
def test_a_source_that_checks_gives_nothing_of_a_bad_block(
    source: Source, tmp_path: Path, bad_at: int, start: int
) -> None:
    async def run() -> bytes:
        good = b""
        async with source(Stage(tmp_path, Disk(), bad_at), start, LENGTH) as following:
            with pytest.raises((LocalFileError, RefetchError)):  # noqa: PT012 - how far it gets is the question
                while True:
                    good += await following(start + len(good), LENGTH)
        return good

    assert asyncio.run(run()) == CONTENT[start : max(start, bad_at // MIB * MIB)]
