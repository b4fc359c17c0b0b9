"""The queue between an origin and a client: when the origin is held, and what is kept."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addon.sources.upstream import HELD_AT, Upstream
from tests.addon.held import content_of

HEAD = 1000
CONTENT = content_of(20_000)


def fed(*pieces: bytes) -> Upstream:
    upstream = Upstream(HEAD)
    for piece in pieces:
        upstream.feed(piece)
    return upstream


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 900), max_size=20), st.lists(st.integers(1, 2000), max_size=30))
def test_bytes_come_out_in_order(fed_sizes: list[int], limits: list[int]) -> None:
    upstream, place, taken = Upstream(HEAD), 0, b""
    takes = iter(limits)
    for size in fed_sizes:
        upstream.feed(CONTENT[place : place + size])
        place += size
        if (limit := next(takes, None)) and upstream.has_data:
            taken += upstream.take(limit)
    while upstream.has_data:
        taken += upstream.take(1)
    assert taken == CONTENT[:place]
    assert upstream.bytes_from_origin == place


def test_as_many_pieces_as_fit_are_taken_together() -> None:
    upstream = fed(b"a" * 4, b"b" * 4, b"c" * 4)
    assert upstream.take(8) == b"aaaabbbb"
    assert upstream.take(8) == b"cccc"
    assert not upstream.has_data


def test_one_piece_is_taken_however_large_it_is() -> None:
    assert fed(b"a" * 100, b"b").take(1) == b"a" * 100


def test_an_empty_piece_is_nothing_to_take() -> None:
    assert not fed(b"").has_data


def test_the_head_is_kept_though_it_was_taken() -> None:
    async def run() -> bytes:
        upstream = Upstream(HEAD)
        waiting = asyncio.create_task(upstream.head())
        upstream.feed(CONTENT[:600])
        upstream.take(600)
        await asyncio.sleep(0)
        assert not waiting.done()
        upstream.feed(CONTENT[600:2000])
        return await waiting

    assert asyncio.run(run()) == CONTENT[:HEAD]


@pytest.mark.parametrize("error", [None, "reset"])
def test_the_head_of_what_ended_early(error: str | None) -> None:
    upstream = fed(CONTENT[:10])
    upstream.end(error)
    assert asyncio.run(upstream.head()) == CONTENT[:10]
    assert (upstream.over, upstream.error) == (True, error)


def test_what_came_before_the_end_is_still_there() -> None:
    upstream = fed(b"abc")
    upstream.end("reset")
    assert upstream.take(10) == b"abc"


def test_it_is_held_while_much_waits() -> None:
    upstream = fed(bytes(HELD_AT - 1))
    assert upstream.flowing.is_set()
    upstream.feed(b"!")
    assert not upstream.flowing.is_set()
    upstream.take(HELD_AT - 1)
    assert upstream.flowing.is_set()


def test_it_is_held_at_its_limit_whatever_was_taken() -> None:
    upstream = Upstream(HEAD)
    upstream.limit(100)
    upstream.feed(bytes(99))
    assert upstream.flowing.is_set()
    upstream.feed(bytes(1))
    assert not upstream.flowing.is_set()
    upstream.take(1000)
    assert not upstream.flowing.is_set()
    upstream.limit(None)
    assert upstream.flowing.is_set()


def test_a_limit_that_was_passed_already_holds_at_once() -> None:
    upstream = fed(bytes(100))
    upstream.limit(100)
    assert not upstream.flowing.is_set()


def test_lifting_the_limit_does_not_lift_the_other_one() -> None:
    upstream = Upstream(HEAD)
    upstream.limit(100)
    upstream.feed(bytes(HELD_AT))
    upstream.limit(None)
    assert not upstream.flowing.is_set()


def test_what_was_dropped_stays_held() -> None:
    upstream = fed(b"abc")
    upstream.drop()
    assert not upstream.has_data
    assert not upstream.flowing.is_set()
    upstream.limit(None)
    assert not upstream.flowing.is_set()


def test_what_comes_after_the_drop_is_not_kept() -> None:
    upstream = fed(b"abc")
    upstream.drop()
    upstream.feed(b"late")
    assert not upstream.has_data
    assert not upstream.flowing.is_set()


@pytest.mark.parametrize("event", ["feed", "end"])
def test_news(event: str) -> None:
    upstream = Upstream(HEAD)
    assert not upstream.news.is_set()
    if event == "feed":
        upstream.feed(b"x")
    else:
        upstream.end(None)
    assert upstream.news.is_set()


def test_who_holds_it_is_told_when_the_limit_is_set_and_lifted() -> None:
    told: list[bool] = []
    upstream = Upstream(HEAD, told.append)
    upstream.limit(100)
    upstream.limit(100)
    upstream.feed(bytes(200))
    upstream.limit(None)
    upstream.limit(None)
    assert told == [True, False]


def test_the_hold_is_lifted_where_it_is_dropped() -> None:
    told: list[bool] = []
    upstream = Upstream(HEAD, told.append)
    upstream.limit(100)
    upstream.drop()
    upstream.limit(None)
    upstream.limit(5)
    assert told == [True, False]


def test_nothing_of_what_is_over_is_held() -> None:
    upstream = Upstream(HEAD)
    upstream.limit(100)
    upstream.feed(bytes(HELD_AT))
    upstream.end(None)
    assert upstream.flowing.is_set()
    upstream.take(1)
    upstream.drop()
    assert upstream.flowing.is_set()
