"""Byte ranges: what a client asks for, what a response covers, what to ask for next (RFC 9110 section 14).

On the wire, ranges name their first and last byte; everywhere else in Nearfetch they are half-open. Parsing
is strict, and whatever is not understood is None: the transfer then passes untouched. No text makes it raise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_DIGITS: Final = 18
"""Digits of a position or a length; a longer number is refused. 10**18 bytes, an exabyte, fit in 63 bits."""

MAX_VALUE_CHARS: Final = 256
"""Characters of a field's value that is looked at; a longer one is refused."""

_NUMBER: Final = rf"[0-9]{{1,{MAX_DIGITS}}}"
_RANGE: Final = re.compile(rf"bytes=({_NUMBER})?-({_NUMBER})?", re.IGNORECASE)
_CONTENT_RANGE: Final = re.compile(rf"bytes ({_NUMBER})-({_NUMBER})/({_NUMBER}|\*)", re.IGNORECASE)
# The same length several times over may be taken as one (RFC 9110 section 8.6).
_CONTENT_LENGTH: Final = re.compile(rf"({_NUMBER})(?:[ \t]*,[ \t]*\1)*")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """At least one byte, from `start` up to, not including, `end_exclusive`.

    Raises ValueError where it would be empty or begin before 0: no Range header can say that.
    """

    start: int
    end_exclusive: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end_exclusive:
            raise ValueError(f"no bytes from {self.start} up to {self.end_exclusive}")

    @property
    def length(self) -> int:
        """Bytes."""
        return self.end_exclusive - self.start

    def header(self) -> str:
        """The value of a request's Range field: `bytes=FIRST-LAST`."""
        return f"bytes={self.start}-{self.end_exclusive - 1}"


@dataclass(frozen=True, slots=True)
class RequestedRange:
    """A range as a request names it (RFC 9110 section 14.1.2); of what size the file is, is not known yet.

    `bytes=5-9` is (5, 9), `bytes=5-` is (5, None), and `bytes=-500`, the last 500 bytes, is (None, 500).
    Raises ValueError where it names neither, or a last byte before the first.
    """

    first: int | None
    last: int | None = None

    def __post_init__(self) -> None:
        is_wrong = self.first is None if self.last is None else self.last < (self.first or 0)
        if is_wrong:
            raise ValueError(f"no range: {self.header()}")

    def header(self) -> str:
        """The value of a request's Range field."""
        return f"bytes={_text(self.first)}-{_text(self.last)}"

    def resolve(self, total: int) -> ByteRange | None:
        """The bytes of a file of `total` bytes that are meant; None where it has none of them (a 416)."""
        if self.first is None:
            start, end = max(0, total - (self.last or 0)), total
        else:
            start, end = self.first, total if self.last is None else min(self.last + 1, total)
        return ByteRange(start, end) if start < end else None


@dataclass(frozen=True, slots=True)
class ContentRange:
    """What a 206 says that it holds (RFC 9110 section 14.4). `total` is None where the origin wrote `*`."""

    covered: ByteRange
    total: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a representation that a response's content is: from `start` up to, not including, `end`.

    `total` is the representation's length in bytes, None where a 206 does not tell. That of an empty file is
    (0, 0, 0).
    """

    start: int
    end: int
    total: int | None

    @property
    def length(self) -> int:
        """Bytes of content."""
        return self.end - self.start


def parse_range(value: str) -> RequestedRange | None:
    """A request's Range field, where it names a single range of bytes.

    None for several ranges, another unit, a last byte before the first, and anything malformed. An origin may
    ignore such a field or not, so it is best left to it.
    """
    found = _fullmatch(_RANGE, value.strip(" \t"))
    if not found:
        return None
    try:
        return RequestedRange(_number(found[1]), _number(found[2]))
    except ValueError:
        return None


def parse_content_range(value: str) -> ContentRange | None:
    """A response's Content-Range field.

    None where it is malformed, contradicts itself, or is that of a 416 (`bytes */1234`): it covers nothing.
    """
    found = _fullmatch(_CONTENT_RANGE, value.strip(" \t"))
    if not found:
        return None
    first, last = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    if last < first or (total is not None and total <= last):
        return None
    return ContentRange(ByteRange(first, last + 1), total)


def parse_content_length(value: str) -> int | None:
    """A response's Content-Length field, in bytes; None where it is not one plain number."""
    found = _fullmatch(_CONTENT_LENGTH, value)
    return int(found[1]) if found else None


def covered_span(status: int, content_length: str | None, content_range: str | None) -> Span | None:
    """What a response's content covers, by its status and its fields, each None where it is missing.

    None where that is unknown or the fields contradict each other: a 200 needs a length, a 206 needs a range,
    and where there are both, they must agree. On a 200, Content-Range means nothing (RFC 9110 section 14.4),
    but one that names a part says that the content may well be that part.
    """
    length = None if content_length is None else parse_content_length(content_length)
    given = None if content_range is None else parse_content_range(content_range)
    if (length is None) != (content_length is None) or (given is None) != (content_range is None):
        return None
    span = Span(given.covered.start, given.covered.end_exclusive, given.total) if given else None
    if status == 206:
        return span if span and length in (None, span.length) else None
    if status == 200 and length is not None:
        whole = Span(0, length, length)
        return whole if span in (None, whole) else None
    return None


def _fullmatch(pattern: re.Pattern[str], value: str) -> re.Match[str] | None:
    return pattern.fullmatch(value) if len(value) <= MAX_VALUE_CHARS else None


def _number(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
