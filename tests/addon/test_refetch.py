"""The rest of a body from the origin: what is taken, and that a mixture of two files never is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import pytest

from addon.ranges import ByteRange
from addon.sources.refetch import Refetch, RefetchError
from hashdb.digest import BLOCK_SIZE, block_sum
from tests.addon.fake_origin import ETAG, FakeOrigin
from tests.addon.held import MIB, content_of, flipped, known, until

CONTENT = content_of(4 * MIB + 555)
LENGTH = len(CONTENT)


def recorded(number: int) -> bytes:
    return block_sum(CONTENT[number * BLOCK_SIZE : (number + 1) * BLOCK_SIZE])


async def open_at(origin: FakeOrigin, place: int, end: int, etag: str | None = ETAG) -> Refetch:
    return await Refetch.open(origin, ByteRange(place, end), known(CONTENT, etag))


def rest(
    origin: FakeOrigin, place: int, end: int = len(CONTENT), etag: str | None = ETAG
) -> tuple[bytes, RefetchError | None]:
    """What came before the error, if there was one; the connection is given back."""

    async def run() -> tuple[bytes, RefetchError | None]:
        got = b""
        try:
            refetch = await open_at(origin, place, end, etag)
            try:
                while place + len(got) < end:
                    got += await refetch.read(recorded)
            finally:
                await refetch.close()
        except RefetchError as error:
            return got, error
        return got, None

    result = asyncio.run(run())
    assert origin.open_now == 0
    return result


PLACES = [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7, 4 * MIB, len(CONTENT) - 1]


@pytest.mark.parametrize("ignores_ranges", [False, True])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("end", [len(CONTENT), len(CONTENT) - 100])
def test_the_rest_from_any_place(place: int, end: int, ignores_ranges: bool) -> None:
    if place >= end:
        end = len(CONTENT)
    origin = FakeOrigin(CONTENT, ignores_ranges=ignores_ranges, piece=300_001)
    assert rest(origin, place, end) == (CONTENT[place:end], None)


@pytest.mark.parametrize(
    ("place", "end", "asked"),
    [
        (10, 20, (0, MIB)),
        (MIB, 2 * MIB, (MIB, 2 * MIB)),
        (MIB - 1, MIB + 1, (0, 2 * MIB)),
        (4 * MIB + 5, 4 * MIB + 6, (4 * MIB, len(CONTENT))),
    ],
)
def test_whole_blocks_are_asked_for(place: int, end: int, asked: tuple[int, int]) -> None:
    origin = FakeOrigin(CONTENT)
    assert rest(origin, place, end) == (CONTENT[place:end], None)
    assert origin.asked == [{"range": f"bytes={asked[0]}-{asked[1] - 1}", "if-range": ETAG}]


def test_without_a_strong_tag_there_is_no_condition() -> None:
    origin = FakeOrigin(CONTENT, etag=None)
    assert rest(origin, 0, MIB, etag=None) == (CONTENT[:MIB], None)
    assert origin.asked == [{"range": f"bytes=0-{MIB - 1}"}]


def test_one_block_at_a_time_up_to_the_borders() -> None:
    async def run() -> list[int]:
        refetch = await open_at(FakeOrigin(CONTENT), MIB - 5, 3 * MIB + 5)
        sizes = [len(await refetch.read(recorded)) for _ in range(4)]
        await refetch.close()
        return sizes

    assert asyncio.run(run()) == [5, MIB, MIB, 5]


def test_what_the_origin_sent_is_counted() -> None:
    async def run() -> int:
        refetch = await open_at(FakeOrigin(CONTENT, ignores_ranges=True), 2 * MIB, 3 * MIB)
        await refetch.read(recorded)
        await refetch.close()
        return refetch.bytes_from_origin

    assert asyncio.run(run()) == 3 * MIB


REFUSALS: dict[str, tuple[Callable[[FakeOrigin], object], str, bool]] = {
    "another range": (lambda origin: setattr(origin, "shifted_by", 1), "another range", True),
    "encoded": (lambda origin: setattr(origin, "encoding", "gzip"), "encoded", True),
    "longer now": (lambda origin: setattr(origin, "content", CONTENT + b"!"), "bytes now", True),
    "gone": (lambda origin: setattr(origin, "status", 416), "answered 416", True),
    "busy": (lambda origin: setattr(origin, "status", 503), "answered 503", False),
    "an error": (lambda origin: setattr(origin, "status", 500), "answered 500", False),
    "unreachable": (lambda origin: setattr(origin, "refuses", True), "connection refused", False),
}


@pytest.mark.parametrize("fault", REFUSALS)
def test_answers_that_are_refused(fault: str) -> None:
    turn, why, final = REFUSALS[fault]
    origin = FakeOrigin(CONTENT)
    turn(origin)
    got, error = rest(origin, 2 * MIB)
    assert got == b""
    assert why in str(error)
    assert error is not None
    assert error.final is final


def test_a_206_with_another_tag_is_refused() -> None:
    """An origin that answers a range with no regard for If-Range."""

    class Careless(FakeOrigin):
        def respond(self, headers):  # type: ignore[no-untyped-def]
            return super().respond({name: value for name, value in headers.items() if name != "if-range"})

    got, error = rest(Careless(CONTENT, etag='"v2"'), MIB)
    assert (got, "another ETag" in str(error), error and error.final) == (b"", True, True)


def test_a_200_without_a_length_is_refused() -> None:
    got, error = rest(FakeOrigin(CONTENT, ignores_ranges=True, hides_length=True), MIB)
    assert (got, error and error.final) == (b"", True)


def test_a_200_with_another_tag_and_the_same_bytes_goes_on() -> None:
    """The client then has that second answer whole, whatever its validator."""
    assert rest(FakeOrigin(CONTENT, etag='"v2"'), 2 * MIB + 5) == (CONTENT[2 * MIB + 5 :], None)


def test_what_lies_before_does_not_count() -> None:
    assert rest(FakeOrigin(flipped(CONTENT, 5), etag='"v2"'), MIB) == (CONTENT[MIB:], None)


@pytest.mark.parametrize("place", [0, MIB + 5])
@pytest.mark.parametrize("ignores_ranges", [False, True])
def test_a_block_with_another_sum_is_not_given_out(place: int, ignores_ranges: bool) -> None:
    for differs_at in (2 * MIB, 3 * MIB - 1):
        origin = FakeOrigin(flipped(CONTENT, differs_at), ignores_ranges=ignores_ranges)
        got, error = rest(origin, place)
        assert got == CONTENT[place : 2 * MIB]
        assert error is not None
        assert (error.final, "not those of the file" in str(error)) == (True, True)


def test_the_short_last_block_is_checked_too() -> None:
    got, error = rest(FakeOrigin(flipped(CONTENT, len(CONTENT) - 1)), 3 * MIB)
    assert got == CONTENT[3 * MIB : 4 * MIB]
    assert error is not None


@pytest.mark.parametrize("switch", ["breaks_after", "ends_after"])
@pytest.mark.parametrize("after", [0, 5, MIB - 1, MIB, MIB + 5, 2 * MIB + 5])
def test_it_breaks_off_in_the_middle(switch: str, after: int) -> None:
    origin = FakeOrigin(CONTENT)
    setattr(origin, switch, deque([after]))
    got, error = rest(origin, MIB)
    assert got == CONTENT[MIB : MIB + after // MIB * MIB], "whole blocks, or nothing"
    assert error is not None
    assert not error.final


@pytest.mark.parametrize("after", [0, MIB, 2 * MIB - 1])
def test_it_breaks_off_before_the_place(after: int) -> None:
    origin = FakeOrigin(CONTENT, ignores_ranges=True, breaks_after=deque([after]))
    got, error = rest(origin, 2 * MIB)
    assert got == b""
    assert error is not None
    assert not error.final


def test_nothing_beyond_the_end_is_given_out() -> None:
    origin = FakeOrigin(CONTENT, surplus=b"!" * 100)
    assert rest(origin, 4 * MIB) == (CONTENT[4 * MIB :], None)


def test_an_origin_that_falls_silent_in_the_middle() -> None:
    async def run() -> None:
        origin = FakeOrigin(CONTENT)
        refetch = await Refetch.open(origin, ByteRange(0, LENGTH), known(CONTENT), patience=0.05)
        assert await refetch.read(recorded) == CONTENT[:MIB]
        origin.pace = 30.0
        with pytest.raises(RefetchError, match="sent nothing") as error:
            await refetch.read(recorded)
        assert not error.value.final
        await refetch.close()
        assert origin.open_now == 0

    asyncio.run(run())


def test_giving_up_the_opening_gives_the_connection_back() -> None:
    async def run() -> int:
        origin = FakeOrigin(CONTENT, gate=asyncio.Event())
        opening = asyncio.create_task(open_at(origin, MIB, 2 * MIB))
        await until(lambda: origin.asked)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        return origin.open_now

    assert asyncio.run(run()) == 0


@pytest.mark.parametrize("differs_at", [MIB, MIB + 505, 2 * MIB - 1])
@pytest.mark.parametrize(("place", "end"), [(MIB + 500, 3 * MIB), (MIB, MIB + 100), (MIB + 500, MIB + 600)])
def test_a_block_of_which_a_part_is_wanted_is_checked_as_a_whole(place: int, end: int, differs_at: int) -> None:
    """The client has the other part, of the file that was named; the origin, without a validator, has another now."""
    got, error = rest(FakeOrigin(flipped(CONTENT, differs_at), etag=None), place, end, etag=None)
    assert got == b""
    assert error is not None
    assert error.final
