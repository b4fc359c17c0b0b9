"""The proof: what an origin has to show, and every way in which it may fail to."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

import pytest

from addon import proof
from addon.proof import (
    CONNECTIONS,
    SAMPLE_SIZE,
    SAMPLES,
    UnprovenError,
    compare_head,
    compare_samples,
    sample_ranges,
)
from addon.ranges import ByteRange
from addon.sources.local_file import LocalFileError
from tests.addon.fake_origin import ETAG, FakeOrigin
from tests.addon.held import MIB, HeldBytes, content_of, flipped, known, until

CONTENT = content_of(MIB + 12345)
RANGES = sample_ranges(len(CONTENT), random.Random(3))


async def samples(origin: FakeOrigin, held: bytes = CONTENT, etag: str | None = ETAG) -> int:
    return await compare_samples(HeldBytes(held), origin, RANGES, known(CONTENT, etag))


@pytest.mark.parametrize("total", [1, 2, SAMPLE_SIZE - 1, SAMPLE_SIZE, SAMPLE_SIZE + 1, 10 * MIB])
def test_samples_lie_within_the_file(total: int) -> None:
    ranges = sample_ranges(total, random.Random(5))
    assert len(ranges) == SAMPLES
    for wanted in ranges:
        assert wanted.length == min(SAMPLE_SIZE, total)
        assert wanted.end_exclusive <= total


def test_samples_reach_both_ends() -> None:
    choose = random.Random(7)
    ranges = [wanted for _ in range(40) for wanted in sample_ranges(SAMPLE_SIZE + 3, choose)]
    assert {wanted.start for wanted in ranges} == {0, 1, 2, 3}


def test_samples_cannot_be_foreseen() -> None:
    choose = random.Random(9)
    assert sample_ranges(1 << 30, choose) != sample_ranges(1 << 30, choose)


@pytest.mark.parametrize(("start", "length"), [(0, 64 << 10), (700, 5), (len(CONTENT) - 9, 9)])
def test_the_head(start: int, length: int) -> None:
    head = CONTENT[start : start + length]
    asyncio.run(compare_head(HeldBytes(CONTENT), start, head))
    with pytest.raises(UnprovenError, match="first bytes"):
        asyncio.run(compare_head(HeldBytes(CONTENT), start, flipped(head, -1)))
    with pytest.raises(UnprovenError):
        asyncio.run(compare_head(HeldBytes(CONTENT), start + 1, head))


@pytest.mark.parametrize("multiplexed", [False, True])
def test_an_origin_that_holds_the_file(multiplexed: bool) -> None:
    origin = FakeOrigin(CONTENT, multiplexed=multiplexed)
    assert asyncio.run(samples(origin)) == SAMPLES * SAMPLE_SIZE
    assert sorted(asked["range"] for asked in origin.asked) == sorted(wanted.header() for wanted in RANGES)
    assert origin.open_now == 0


@pytest.mark.parametrize(("multiplexed", "connections", "at_once"), [(False, CONNECTIONS, 1), (True, 1, SAMPLES)])
def test_connections_are_shared(multiplexed: bool, connections: int, at_once: int) -> None:
    origin = FakeOrigin(CONTENT, multiplexed=multiplexed)
    asyncio.run(samples(origin))
    assert origin.connections == connections
    assert origin.most_at_once == at_once


def test_all_connections_are_busy_at_once() -> None:
    async def run() -> int:
        origin = FakeOrigin(CONTENT, gate=asyncio.Event())
        task = asyncio.create_task(samples(origin))
        await until(lambda: len(origin.asked) >= CONNECTIONS)
        asked = len(origin.asked)
        assert origin.gate
        origin.gate.set()
        await task
        return asked

    assert asyncio.run(run()) == CONNECTIONS


def other(origin: FakeOrigin) -> None:
    origin.content = flipped(CONTENT, RANGES[5].end_exclusive - 1)


FAULTS: dict[str, tuple[Callable[[FakeOrigin], object], str]] = {
    "no ranges": (lambda origin: setattr(origin, "ignores_ranges", True), "answered 200"),
    "another range": (lambda origin: setattr(origin, "shifted_by", -1), "another range"),
    "another tag": (lambda origin: setattr(origin, "etag", '"v2"'), "another ETag"),
    "encoded": (lambda origin: setattr(origin, "encoding", "gzip"), "encoded"),
    "an error": (lambda origin: setattr(origin, "status", 500), "answered 500"),
    "nothing there": (lambda origin: setattr(origin, "status", 416), "answered 416"),
    "unreachable": (lambda origin: setattr(origin, "refuses", True), "connection refused"),
    "breaks off": (lambda origin: setattr(origin, "breaks_after", deque([100])), "connection reset"),
    "breaks off at once": (lambda origin: setattr(origin, "breaks_after", deque([0])), "connection reset"),
    "ends early": (lambda origin: setattr(origin, "ends_after", deque([SAMPLE_SIZE - 1])), "not the length"),
    "nothing came": (lambda origin: setattr(origin, "ends_after", deque([0])), "not the length"),
    "too much": (lambda origin: setattr(origin, "surplus", b"!"), "not the length"),
    "endless": (lambda origin: setattr(origin, "surplus", bytes(MIB)), "not the length"),
    "other content": (other, "differs between bytes"),
    "longer": (lambda origin: setattr(origin, "content", CONTENT + b"!"), "bytes now"),
    "shorter": (lambda origin: setattr(origin, "content", CONTENT[:-1]), "bytes now"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("multiplexed", [False, True])
def test_an_origin_that_does_not_show_it(fault: str, multiplexed: bool) -> None:
    turn, why = FAULTS[fault]
    origin = FakeOrigin(CONTENT, multiplexed=multiplexed)
    turn(origin)
    held = CONTENT if len(origin.content) >= len(CONTENT) else CONTENT + b"!"
    expected = known(held if fault == "shorter" else CONTENT)
    with pytest.raises(UnprovenError, match=why):
        asyncio.run(compare_samples(HeldBytes(held), origin, RANGES, expected))
    assert origin.open_now == 0


def test_too_much_is_not_read_to_its_end() -> None:
    origin = FakeOrigin(CONTENT, surplus=bytes(MIB), multiplexed=True)
    with pytest.raises(UnprovenError):
        asyncio.run(samples(origin))
    assert len(origin.asked) <= SAMPLES


def test_one_differing_bit_in_any_sample_is_seen() -> None:
    for wanted in RANGES:
        for place in (wanted.start, wanted.end_exclusive - 1):
            with pytest.raises(UnprovenError, match="differs"):
                asyncio.run(samples(FakeOrigin(CONTENT), held=flipped(CONTENT, place)))


def test_what_the_copy_raises_comes_through() -> None:
    copy = HeldBytes(CONTENT, LocalFileError("it was truncated"))
    origin = FakeOrigin(CONTENT)
    with pytest.raises(LocalFileError, match="truncated"):
        asyncio.run(compare_samples(copy, origin, RANGES, known(CONTENT)))
    assert origin.open_now == 0


def test_an_origin_without_tags_may_prove_it_too() -> None:
    assert asyncio.run(samples(FakeOrigin(CONTENT, etag=None), etag=None)) == SAMPLES * SAMPLE_SIZE


def test_an_origin_that_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "SAMPLES_SECONDS", 0.05)

    async def run() -> FakeOrigin:
        origin = FakeOrigin(CONTENT, gate=asyncio.Event())
        with pytest.raises(UnprovenError, match="took more than"):
            await samples(origin)
        return origin

    assert asyncio.run(run()).open_now == 0


def test_who_gives_up_gets_everything_back() -> None:
    async def run() -> FakeOrigin:
        origin = FakeOrigin(CONTENT, gate=asyncio.Event())
        task = asyncio.create_task(samples(origin))
        await until(lambda: origin.asked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return origin

    assert asyncio.run(run()).open_now == 0


def test_ranges_that_meet_are_compared_each() -> None:
    ranges = [ByteRange(0, 4), ByteRange(2, 6), ByteRange(0, 4)]
    sent = asyncio.run(compare_samples(HeldBytes(CONTENT), FakeOrigin(CONTENT), ranges, known(CONTENT)))
    assert sent == 12
