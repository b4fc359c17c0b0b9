"""What the origin serves, and the switches of its faults.

Tests set the switches at any time, from their own thread: each is read anew when it is needed.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

type CutKind = Literal["close", "reset", "stall", "hold"]
type RangeLie = Literal["none", "wrong_start", "wrong_total", "other_etag"]
type Content = bytes | Path


@dataclass
class Cut:
    """Where a body breaks off.

    close   the connection ends in order (FIN), before the body does
    reset   HTTP/1: RST, once the peer's kernel holds every byte before the cut; HTTP/2: RST_STREAM
    stall   nothing more is sent until the peer leaves
    hold    nothing more is sent until `Origin.release(cut)`; then the body goes on
    """

    kind: CutKind
    after_bytes: int
    """Offset in the representation, not in the response: a range that starts there is cut at once."""
    times: int = 1
    """How often it still happens."""
    released: asyncio.Event = field(default_factory=asyncio.Event, repr=False)


@dataclass
class Resource:
    """One path of the origin."""

    content: Content
    headers: list[tuple[str, str]] = field(default_factory=list)
    """Further response headers, such as claims of digests; on 200, 206 and 304."""
    etag: str | None = '"v1"'
    """With its quotes; weak ones start with W/."""
    last_modified: str | None = None
    """An HTTP date."""
    content_type: str = "application/octet-stream"
    content_encoding: str | None = None
    """Only the claim: the content goes out as it is."""

    ranges: bool = True
    """False: no Accept-Ranges, and a Range is answered with the whole (200)."""
    status_for_ranges: int | None = None
    """What every request with a Range is answered with instead, such as 429 or 503."""
    lie_on_ranges: RangeLie = "none"
    """What is wrong with a 206: wrong_start sends (and says so) other bytes than asked for."""
    lie_content: Content | None = None
    """The bytes that are really sent; size and validators still are those of `content`."""

    rate_per_connection: float | None = None
    """Bytes per second; `Origin.rate` limits all connections together."""
    delay_headers: float = 0.0
    """Seconds before the response's headers."""
    cut_at: list[Cut] = field(default_factory=list)

    redirect_to: str | None = None
    redirect_headers: list[tuple[str, str]] = field(default_factory=list)
    chunked: bool = False
    """No Content-Length: chunked in HTTP/1.1, ended by the connection's end in HTTP/1.0."""
    http10: bool = False
    declared_length: int | None = None
    """A Content-Length for 200 that the body does not keep to; HTTP/1 connections end after it."""

    @property
    def size(self) -> int:
        """Bytes of the representation."""
        if isinstance(self.content, Path):
            return self.content.stat().st_size
        return len(self.content)

    @property
    def sent_content(self) -> Content:
        return self.content if self.lie_content is None else self.lie_content


class Reader(Protocol):
    """Reads `count` bytes at `offset`; fewer at the end."""

    def __call__(self, offset: int, count: int) -> bytes | memoryview: ...


@contextlib.contextmanager
def open_content(content: Content) -> Iterator[Reader]:
    if isinstance(content, bytes):
        whole = memoryview(content)
        yield lambda offset, count: whole[offset : offset + count]
        return
    descriptor = os.open(content, os.O_RDONLY)
    try:
        yield lambda offset, count: os.pread(descriptor, count, offset)
    finally:
        os.close(descriptor)


def next_cut(cuts: list[Cut], position: int, last: int) -> Cut | None:
    """The first cut that still happens at an offset from `position` to `last`, both included."""
    due = [cut for cut in cuts if cut.times > 0 and position <= cut.after_bytes <= last]
    return min(due, key=lambda cut: cut.after_bytes, default=None)
