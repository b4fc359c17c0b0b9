"""Range arithmetic against RFC 9110 section 14, and against rubbish."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addon.ranges import (
    MAX_DIGITS,
    MAX_VALUE_CHARS,
    ByteRange,
    ContentRange,
    RequestedRange,
    Span,
    covered_span,
    parse_content_length,
    parse_content_range,
    parse_range,
)

LARGEST = int("9" * MAX_DIGITS)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-", RequestedRange(0)),
        ("bytes=5-9", RequestedRange(5, 9)),
        ("bytes=7-7", RequestedRange(7, 7)),
        ("bytes=-500", RequestedRange(None, 500)),
        ("bytes=-0", RequestedRange(None, 0)),
        ("Bytes=0-1", RequestedRange(0, 1)),
        (" bytes=0-1\t", RequestedRange(0, 1)),
        (f"bytes={LARGEST}-", RequestedRange(LARGEST)),
    ],
)
def test_single_ranges(value: str, expected: RequestedRange) -> None:
    assert parse_range(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=9-5",
        "bytes=0-1,5-9",
        "bytes=,0-1",
        "bytes= 0-1",
        "bytes=0 - 1",
        "bytes 0-1",
        "bytes=+1-2",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes=0x1-",
        "bytes=٣-",
        "bytes=0-1\n",
        "items=0-1",
        f"bytes={LARGEST + 1}-",
        f"bytes={'0' * (MAX_DIGITS + 1)}-",
        "bytes=" + "9" * 1_000_000 + "-",
    ],
)
def test_anything_else_is_no_single_range(value: str) -> None:
    assert parse_range(value) is None


@pytest.mark.parametrize(
    ("asked", "total", "expected"),
    [
        (RequestedRange(0), 10, ByteRange(0, 10)),
        (RequestedRange(9), 10, ByteRange(9, 10)),
        (RequestedRange(10), 10, None),
        (RequestedRange(2, 4), 10, ByteRange(2, 5)),
        (RequestedRange(2, 400), 10, ByteRange(2, 10)),
        (RequestedRange(10, 400), 10, None),
        (RequestedRange(None, 3), 10, ByteRange(7, 10)),
        (RequestedRange(None, 30), 10, ByteRange(0, 10)),
        (RequestedRange(None, 0), 10, None),
        (RequestedRange(None, 5), 0, None),
        (RequestedRange(0), 0, None),
    ],
)
def test_resolving(asked: RequestedRange, total: int, expected: ByteRange | None) -> None:
    assert asked.resolve(total) == expected


def test_asking_for_a_range() -> None:
    assert ByteRange(5, 10).header() == "bytes=5-9"
    assert ByteRange(5, 10).length == 5
    assert RequestedRange(5).header() == "bytes=5-"
    assert RequestedRange(None, 500).header() == "bytes=-500"


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-1, 5)])
def test_a_range_holds_bytes(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="no bytes"):
        ByteRange(start, end)


@pytest.mark.parametrize(("first", "last"), [(None, None), (6, 5), (None, -1)])
def test_a_request_names_a_range(first: int | None, last: int | None) -> None:
    with pytest.raises(ValueError, match="no range"):
        RequestedRange(first, last)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes 0-99/1234", ContentRange(ByteRange(0, 100), 1234)),
        ("bytes 1233-1233/1234", ContentRange(ByteRange(1233, 1234), 1234)),
        ("BYTES 0-99/*", ContentRange(ByteRange(0, 100), None)),
        (f"bytes 0-0/{LARGEST}", ContentRange(ByteRange(0, 1), LARGEST)),
    ],
)
def test_content_ranges(value: str, expected: ContentRange) -> None:
    assert parse_content_range(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes */1234",
        "bytes 0-99",
        "bytes=0-99/1234",
        "bytes 0-99/",
        "bytes 99-0/1234",
        "bytes 0-99/99",
        "bytes 0-1234/1234",
        "bytes -99/1234",
        "bytes 0-/1234",
        "bytes 0-99/+1234",
        "bytes 0-99/1234, bytes 0-99/1234",
        "items 0-99/1234",
        f"bytes 0-99/{LARGEST + 1}",
        "bytes 0-" + "9" * 1_000_000 + "/*",
    ],
)
def test_anything_else_is_no_content_range(value: str) -> None:
    assert parse_content_range(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        ("1234", 1234),
        ("12, 12,12", 12),
        (str(LARGEST), LARGEST),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        ("0x10", None),
        ("1 2", None),
        (" 12", None),
        ("12\n", None),
        ("٣", None),
        ("12, 13", None),
        ("12, 1", None),
        ("1, 12", None),
        ("12,", None),
        (str(LARGEST + 1), None),
        (",".join(["7"] * 128), 7),
        (",".join(["7"] * (MAX_VALUE_CHARS // 2 + 1)), None),
    ],
)
def test_content_lengths(value: str, expected: int | None) -> None:
    assert parse_content_length(value) == expected


@pytest.mark.parametrize(
    ("status", "length", "content_range", "expected"),
    [
        (200, "10", None, Span(0, 10, 10)),
        (200, "0", None, Span(0, 0, 0)),
        (200, None, None, None),
        (200, "ten", None, None),
        (200, "10", "bytes 0-9/10", Span(0, 10, 10)),
        (200, "10", "bytes 5-14/20", None),
        (200, "10", "bytes 0-9/20", None),
        (200, "10", "rubbish", None),
        (200, None, "bytes 0-9/10", None),
        (206, "10", "bytes 5-14/20", Span(5, 15, 20)),
        (206, None, "bytes 5-14/20", Span(5, 15, 20)),
        (206, "10", "bytes 5-14/*", Span(5, 15, None)),
        (206, "11", "bytes 5-14/20", None),
        (206, "-1", "bytes 5-14/20", None),
        (206, "10", "bytes */20", None),
        (206, "10", None, None),
        (204, "0", None, None),
        (302, "10", None, None),
        (416, "10", "bytes */20", None),
    ],
)
def test_what_a_response_covers(
    status: int, length: str | None, content_range: str | None, expected: Span | None
) -> None:
    assert covered_span(status, length, content_range) == expected
    assert expected is None or expected.length == expected.end - expected.start


POSITIONS = st.integers(0, LARGEST - 1)


@settings(deadline=None)
@given(POSITIONS, POSITIONS, POSITIONS)
def test_an_origin_that_obeys_answers_what_was_asked(start: int, other: int, more: int) -> None:
    start, end = min(start, other), max(start, other) + 1
    total = min(end + more, LARGEST)
    asked = ByteRange(start, end)
    requested = parse_range(asked.header())
    assert requested is not None
    assert requested.header() == asked.header()
    assert requested.resolve(total) == asked
    answer = f"bytes {start}-{end - 1}/{total}"
    assert covered_span(206, str(asked.length), answer) == Span(start, end, total)
    assert covered_span(206, str(asked.length + 1), answer) is None


@settings(deadline=None)
@given(st.integers(0, 99), st.none() | st.integers(0, 99), st.integers(0, 99), st.booleans())
def test_resolving_gives_the_bytes_that_the_rfc_means(number: int, last: int | None, total: int, suffix: bool) -> None:
    content = list(range(total))
    if suffix:
        asked, expected = RequestedRange(None, number), content[max(0, total - number) :]
    elif last is None:
        asked, expected = RequestedRange(number), content[number:]
    else:
        last = max(number, last)
        asked, expected = RequestedRange(number, last), content[number : last + 1]
    resolved = asked.resolve(total)
    assert (content[resolved.start : resolved.end_exclusive] if resolved else []) == expected


RUBBISH = st.text() | st.text(st.sampled_from("bytes=0123456789-/*, \t+\n٣"), max_size=60)


@settings(deadline=None)
@given(st.sampled_from([200, 206]) | st.integers(), st.none() | RUBBISH, st.none() | RUBBISH, RUBBISH)
def test_rubbish_never_raises(status: int, length: str | None, content_range: str | None, asked: str) -> None:
    parse_range(asked)
    span = covered_span(status, length, content_range)
    if span:
        assert 0 <= span.start <= span.end <= (span.end if span.total is None else span.total)
