"""Which answers to a request for a range are taken, and why the others are not."""

from __future__ import annotations

import pytest
from mitmproxy.http import Headers

from addon.partial import Representation, is_identity, refusal, refusal_of_whole, strong_etag
from addon.ports import Answer
from addon.ranges import ByteRange

WANTED = ByteRange(100, 200)
KNOWN = Representation(1000, '"v1"')
GOOD_PART = {"Content-Range": "bytes 100-199/1000", "Content-Length": "100", "ETag": '"v1"'}
GOOD_WHOLE = {"Content-Length": "1000", "ETag": '"v1"'}


def fields(lines: dict[str, str | None]) -> Headers:
    return Headers([(name.encode(), value.encode()) for name, value in lines.items() if value is not None])


def part(status: int = 206, **changed: str | None) -> Answer:
    named = {name.replace("_", "-").title().replace("Etag", "ETag"): value for name, value in changed.items()}
    return Answer(status, fields({**GOOD_PART, **named}))


def whole(status: int = 200, **changed: str | None) -> Answer:
    named = {name.replace("_", "-").title().replace("Etag", "ETag"): value for name, value in changed.items()}
    return Answer(status, fields({**GOOD_WHOLE, **named}))


@pytest.mark.parametrize(
    "answer",
    [
        part(),
        part(content_length=None),
        part(etag=None),
        part(etag='W/"v2"'),
        part(etag="v2"),
        part(content_encoding="identity"),
        part(content_encoding=" Identity "),
        part(content_range="Bytes 100-199/1000"),
    ],
)
def test_the_part_that_was_asked_for(answer: Answer) -> None:
    assert refusal(answer, WANTED, KNOWN) is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (part(200), "answered 200"),
        (part(416), "answered 416"),
        (part(503), "answered 503"),
        (part(content_range=None), "another range"),
        (part(content_range="bytes 101-199/1000", content_length="99"), "another range"),
        (part(content_range="bytes 99-199/1000", content_length="101"), "another range"),
        (part(content_range="bytes 100-198/1000", content_length="99"), "another range"),
        (part(content_range="bytes 100-200/1000", content_length="101"), "another range"),
        (part(content_length="99"), "another range"),
        (part(content_length="many"), "another range"),
        (part(content_range="bytes 100-199/100"), "another range"),
        (part(content_range="bytes 100-199/1001"), "has 1001 bytes now, not 1000"),
        (part(content_range="bytes 100-199/*"), "not 1000"),
        (part(content_encoding="gzip"), "encoded"),
        (part(content_encoding="identity, br"), "encoded"),
        (part(etag='"v2"'), "another ETag"),
        (part(etag='"V1"'), "another ETag"),
    ],
)
def test_anything_else_is_refused(answer: Answer, why: str) -> None:
    said = refusal(answer, WANTED, KNOWN)
    assert said is not None
    assert why in said


def test_where_no_strong_tag_is_known_none_is_compared() -> None:
    assert refusal(part(etag='"v2"'), WANTED, Representation(1000, None)) is None


@pytest.mark.parametrize(
    "answer", [whole(), whole(etag='"v2"'), whole(etag=None), whole(content_range="bytes 0-999/1000")]
)
def test_a_whole_whose_tag_may_be_another(answer: Answer) -> None:
    """Its bytes will be compared with those that were sent."""
    assert refusal_of_whole(answer, KNOWN) is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (whole(206), "answered 206"),
        (whole(404), "answered 404"),
        (whole(content_length="999"), "has 999 bytes now, not 1000"),
        (whole(content_length=None), "not 1000"),
        (whole(content_length="-1"), "not 1000"),
        (whole(content_encoding="zstd"), "encoded"),
    ],
)
def test_a_whole_that_is_refused(answer: Answer, why: str) -> None:
    said = refusal_of_whole(answer, KNOWN)
    assert said is not None
    assert why in said


@pytest.mark.parametrize("tag", ['""', '"v1"', '"a\'b!#~"', ' "v1" ', '"W/x"', '"é"'])
def test_strong_tags(tag: str) -> None:
    assert strong_etag(fields({"ETag": tag})) == tag.strip()


@pytest.mark.parametrize(
    "tag", [None, "", 'W/"v1"', "v1", '"v1', 'v1"', '"a"b"', '"a b"', '"a", "b"', '"\x7f"', '"a\tb"', '"中"', '"v1"x']
)
def test_weak_or_malformed_tags(tag: str | None) -> None:
    assert strong_etag(fields({"ETag": tag})) is None


def test_two_lines_with_tags_are_none() -> None:
    assert strong_etag(Headers([(b"ETag", b'"a"'), (b"ETag", b'"a"')])) is None


@pytest.mark.parametrize(
    ("coding", "expected"),
    [(None, True), ("", True), ("identity", True), ("IDENTITY", True), ("gzip", False), ("identity, gzip", False)],
)
def test_identity(coding: str | None, expected: bool) -> None:
    assert is_identity(fields({"Content-Encoding": coding})) is expected
