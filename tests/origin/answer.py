"""From a request and a resource to the answer, the same for HTTP/1 and HTTP/2. Pure (RFC 9110)."""

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from tests.origin.resources import Resource

type Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """With its query."""
    headers: Headers

    def header(self, name: str) -> str | None:
        """All fields of that name, joined as a list; None where there is none."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None


@dataclass(frozen=True)
class Span:
    """Bytes of the representation from `start` up to, not including, `stop`."""

    start: int
    stop: int


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    text: bytes = b""
    """The body of answers that are not the resource's content."""
    span: Span | None = None
    """What of the content is the body."""
    chunked: bool = False


def decide(request: Request, resource: Resource | None) -> Answer:
    """The answer, without its body where the method is HEAD."""
    answer = _decide_for_get(request, resource)
    if request.method == "HEAD":
        return Answer(answer.status, answer.headers, chunked=answer.chunked)
    return answer


def _decide_for_get(request: Request, resource: Resource | None) -> Answer:
    if resource is None:
        return _plain(404)
    if request.method not in {"GET", "HEAD"}:
        return _plain(405, [("Allow", "GET, HEAD")])
    if resource.redirect_to is not None:
        return _plain(302, [("Location", resource.redirect_to), *resource.redirect_headers])
    if _is_fresh(request, resource):
        return Answer(304, [*_validators(resource), *resource.headers])
    return _ranged(request, resource) or _whole(resource)


def _plain(status: int, headers: Headers | None = None) -> Answer:
    text = f"{status}\n".encode()
    return Answer(
        status,
        [("Content-Type", "text/plain"), ("Content-Length", str(len(text))), *(headers or [])],
        text,
    )


def _whole(resource: Resource) -> Answer:
    declared = resource.size if resource.declared_length is None else resource.declared_length
    length = [] if resource.chunked else [("Content-Length", str(declared))]
    return Answer(
        200,
        [*_content_headers(resource, resource.etag), *length],
        span=Span(0, resource.size),
        chunked=resource.chunked,
    )


def _ranged(request: Request, resource: Resource) -> Answer | None:
    """The answer to a Range; None where it is to be ignored."""
    wanted = request.header("Range")
    if wanted is None or request.method != "GET":
        return None
    if resource.status_for_ranges is not None:
        return _plain(resource.status_for_ranges)
    if not resource.ranges or not _if_range_holds(request, resource):
        return None
    span = parse_range(wanted, resource.size)
    if span == "unsatisfiable":
        return _plain(416, [("Content-Range", f"bytes */{resource.size}")])
    return None if span is None else _part(span, resource)


def _part(span: Span, resource: Resource) -> Answer:
    etag, total = resource.etag, resource.size
    match resource.lie_on_ranges:
        case "wrong_start":
            span = Span(span.start // 2 if span.start else 1, span.stop)
        case "wrong_total":
            total += 1
        case "other_etag":
            etag = '"another"'
    length = [] if resource.chunked else [("Content-Length", str(span.stop - span.start))]
    content_range = ("Content-Range", f"bytes {span.start}-{span.stop - 1}/{total}")
    return Answer(
        206,
        [*_content_headers(resource, etag), content_range, *length],
        span=span,
        chunked=resource.chunked,
    )


def _content_headers(resource: Resource, etag: str | None) -> Headers:
    headers = [("Content-Type", resource.content_type), *_validators(resource, etag)]
    if resource.ranges:
        headers.append(("Accept-Ranges", "bytes"))
    if resource.content_encoding is not None:
        headers.append(("Content-Encoding", resource.content_encoding))
    return headers + resource.headers


def _validators(resource: Resource, etag: str | None = None) -> Headers:
    pairs = [("ETag", etag or resource.etag), ("Last-Modified", resource.last_modified)]
    return [(name, value) for name, value in pairs if value is not None]


def parse_range(value: str, size: int) -> Span | Literal["unsatisfiable"] | None:
    """A single byte range; "unsatisfiable"; or None for what a server may ignore."""
    match = re.fullmatch(r"bytes=\s*([0-9]{0,19})-([0-9]{0,19})\s*", value)
    if match is None or match[0].endswith("=-"):
        return None
    first, last = match[1], match[2]
    if not first:
        span = Span(max(size - int(last), 0), size)
    elif last and int(last) < int(first):
        return None
    else:
        span = Span(int(first), min(int(last) + 1, size) if last else size)
    return span if span.start < span.stop else "unsatisfiable"


def _if_range_holds(request: Request, resource: Resource) -> bool:
    """Only a strong validator that is the same counts (RFC 9110, 13.1.5)."""
    condition = request.header("If-Range")
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):
        return not condition.startswith("W/") and condition == resource.etag
    return condition == resource.last_modified


def _is_fresh(request: Request, resource: Resource) -> bool:
    known = request.header("If-None-Match")
    if known is not None:
        return known.strip() == "*" or _opaque(resource.etag) in {_opaque(t) for t in known.split(",")}
    since = request.header("If-Modified-Since")
    if since is None or resource.last_modified is None:
        return False
    try:
        return parsedate_to_datetime(resource.last_modified) <= parsedate_to_datetime(since)
    except (ValueError, TypeError):  # not a date, or only one of them has a zone
        return False


def _opaque(etag: str | None) -> str | None:
    """For the weak comparison, in which W/ makes no difference; None for no ETag at all."""
    return None if etag is None else etag.strip().removeprefix("W/")
