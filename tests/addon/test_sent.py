"""What was sent: the same sums however it was cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addon.sent import Piece, SentBytes
from hashdb.digest import BLOCK_SIZE, block_sum
from tests.addon.held import content_of

CONTENT = content_of(3 * BLOCK_SIZE + 777)
BLOCKS = [CONTENT[place : place + BLOCK_SIZE] for place in range(0, len(CONTENT), BLOCK_SIZE)]

PLACES = st.one_of(
    st.integers(0, len(CONTENT)),
    st.sampled_from([border + off for border in range(0, len(CONTENT), BLOCK_SIZE) for off in (-1, 0, 1)][1:]),
)
CUTS = st.lists(PLACES, max_size=12)


def sent(start: int, end: int, cuts: list[int] | None = None) -> SentBytes:
    """CONTENT from `start` to `end`, cut at these places."""
    places = sorted({start, end, *(cut for cut in cuts or [] if start < cut < end)})
    made = SentBytes(start)
    for left, right in pairwise(places):
        made.update(CONTENT[left:right])
    return made


def pieces_of(start: int, end: int) -> list[Piece]:
    """What the pieces have to be, made the slow way."""
    borders = [place for place in range(0, len(CONTENT), BLOCK_SIZE) if start < place < end]
    places = [start, *borders, end] if start < end else []
    return [Piece(a, b, block_sum(CONTENT[a:b])) for a, b in pairwise(places)]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(PLACES, PLACES, CUTS)
def test_the_cutting_does_not_matter(one: int, other: int, cuts: list[int]) -> None:
    start, end = sorted((one, other))
    cut = sent(start, end, cuts)
    assert (cut.start, cut.end) == (start, end)
    assert list(cut.pieces()) == pieces_of(start, end)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(PLACES, PLACES, CUTS)
def test_known_sums_give_what_counting_gives(one: int, other: int, cuts: list[int]) -> None:
    start, end = sorted((one, other))
    places = sorted({start, end, *(cut for cut in cuts if start < cut < end)})
    by_blocks = SentBytes(start)
    for left, right in pairwise(places):
        by_blocks.update_blocks(CONTENT[left:right], lambda number: block_sum(BLOCKS[number]))
    assert list(by_blocks.pieces()) == pieces_of(start, end)


def test_only_whole_aligned_blocks_ask_for_a_sum() -> None:
    asked: list[int] = []

    def sum_of(number: int) -> bytes:
        asked.append(number)
        return block_sum(BLOCKS[number])

    seen = SentBytes(5)
    seen.update_blocks(CONTENT[5:BLOCK_SIZE], sum_of)
    seen.update_blocks(CONTENT[BLOCK_SIZE : 3 * BLOCK_SIZE], sum_of)
    seen.update_blocks(CONTENT[3 * BLOCK_SIZE :], sum_of)
    assert asked == [1, 2]


def test_a_sum_that_is_known_is_believed() -> None:
    seen = SentBytes(0)
    seen.update_blocks(BLOCKS[0], lambda _: b"\0" * 16)
    assert list(seen.pieces()) == [Piece(0, BLOCK_SIZE, b"\0" * 16)]


def test_looking_does_not_change_what_is_seen() -> None:
    seen = sent(0, BLOCK_SIZE + 5)
    first = list(seen.pieces())
    assert list(seen.pieces()) == first
    seen.update(CONTENT[BLOCK_SIZE + 5 : 2 * BLOCK_SIZE])
    assert list(seen.pieces()) == pieces_of(0, 2 * BLOCK_SIZE)


def test_memoryviews_are_taken() -> None:
    seen = SentBytes(0)
    seen.update(memoryview(CONTENT))
    assert list(seen.pieces()) == pieces_of(0, len(CONTENT))


@pytest.mark.parametrize(
    ("start", "end", "total", "expected"),
    [
        (0, BLOCK_SIZE, 2 * BLOCK_SIZE, True),
        (BLOCK_SIZE, BLOCK_SIZE + 9, BLOCK_SIZE + 9, True),
        (BLOCK_SIZE, BLOCK_SIZE + 9, BLOCK_SIZE + 10, False),
        (1, BLOCK_SIZE, 2 * BLOCK_SIZE, False),
        (0, 9, 9, True),
    ],
)
def test_whole_blocks(start: int, end: int, total: int, expected: bool) -> None:
    assert Piece(start, end, b"").is_whole_block(total) is expected
