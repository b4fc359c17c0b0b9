"""Whether the answer to a request for a range is the part of the same representation that was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from addon.ports import Answer, Fields
from addon.ranges import ByteRange, covered_span

_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')


@dataclass(frozen=True, slots=True)
class Representation:
    """What the origin's first answer said of the file: enough to know it again."""

    total: int
    strong_etag: str | None
    """With its quotes; None where there is none or a weak one (RFC 9110 section 8.8.3)."""


def strong_etag(fields: Fields) -> str | None:
    """The entity tag, where it is a strong one."""
    tag = (fields.get("etag") or "").strip()
    return tag if _STRONG_TAG.fullmatch(tag) else None


def is_identity(fields: Fields) -> bool:
    """Whether the content is not encoded (RFC 9110 section 8.4)."""
    return (fields.get("content-encoding") or "identity").strip().lower() in ("", "identity")


def refusal(answer: Answer, wanted: ByteRange, known: Representation) -> str | None:
    """Why a 206 is not exactly `wanted` of the `known` representation; None where it is."""
    if answer.status != 206:
        return f"the origin answered {answer.status} to a request for a range"
    span = covered_span(206, answer.fields.get("content-length"), answer.fields.get("content-range"))
    if span is None or (span.start, span.end) != (wanted.start, wanted.end_exclusive):
        return "the origin sent another range than was asked for"
    return _other_representation(answer, span.total, known)


def refusal_of_whole(answer: Answer, known: Representation) -> str | None:
    """Why a 200 is not the whole of the `known` representation, as far as its head tells; None where it may be."""
    if answer.status != 200:
        return f"the origin answered {answer.status}"
    span = covered_span(200, answer.fields.get("content-length"), None)
    return _other_representation(answer, span.total if span else None, known, compare_tags=False)


def _other_representation(
    answer: Answer, total: int | None, known: Representation, *, compare_tags: bool = True
) -> str | None:
    if total != known.total:
        return f"the file at the origin has {total} bytes now, not {known.total}"
    if not is_identity(answer.fields):
        return "the origin encoded its answer"
    tag = strong_etag(answer.fields)
    if compare_tags and known.strong_etag and tag and tag != known.strong_etag:
        return "the file at the origin has another ETag now"
    return None
