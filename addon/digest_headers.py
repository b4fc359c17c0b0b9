"""What an origin claims about a file: the digests in a response's header fields and in the request's path.

Only claims about the *whole, identity-coded* representation count. Nothing that an origin sends raises. A
claim is a hint, never a permission: what to do with it, and that MD5 needs a proof too, is decided elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Final

from addon.digest_dialects import MAX_VALUE_CHARS, READERS, S3_CHECKSUMS, Reader, of_path, s3_tag
from hashdb.digest import Algorithm, Digest

MAX_LINES: Final = 64
"""Field lines of one response that are read for digests, counting only fields that can hold one."""

MAX_CLAIMS: Final = 32
"""Claims of one response that are read, in the order of its lines."""

STRONGEST_FIRST: Final = (Algorithm.SHA512, Algorithm.SHA256, Algorithm.SHA1, Algorithm.MD5)

PATH_FIELD: Final = ":path"
"""What `Claim.field` says where the request's path was the source (HTTP/2's name for it)."""

type _Lines = Sequence[tuple[str, str]]

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PARTIAL: Final = 206
# A 203 was changed on its way (RFC 9110 section 15.3.4); a 304 or an error has no such content.
_STATUSES: Final = _REDIRECTS | {200, _PARTIAL}

_OF_THE_MESSAGE: Final = frozenset({"content-digest", "content-md5"})
"""Digests of the bytes sent: of the range on a 206, of a page saying "moved" on a 3xx."""

# For a range from 0, S3 gives a composite checksum without its -N; for a part's range, that part's.
_NOT_ON_PARTIAL: Final = _OF_THE_MESSAGE | S3_CHECKSUMS
# The entity tag of a redirect is its own page's. That is why Hugging Face has an X-Linked-ETag.
_NOT_ON_REDIRECTS: Final = _OF_THE_MESSAGE | {"etag"}


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """A digest of the whole file, and where it was said."""

    digest: Digest
    field: str
    """The lower-case name of the field, or PATH_FIELD; for the log."""

    carried: bool = dataclasses.field(default=False, compare=False)
    """Said by a redirect to here and not by this response, so perhaps by another site, which may lie."""


def read(fields: Iterable[tuple[str, str]], *, status: int, path: str = "") -> tuple[Claim, ...]:
    """All usable claims of a response, in the order of its lines, the path's last; they may disagree.

    `fields` are the response's lines (name in any case, value), `path` is the request's target. A response
    with any Content-Encoding claims nothing: its digests are of the coded bytes (RFC 9530 section 3).
    """
    lines = [(name.strip().lower(), value) for name, value in fields]
    if status not in _STATUSES or _is_coded(lines, "content-encoding"):
        return ()
    readers = _readers_for(lines, status)
    telling = islice(((name, value) for name, value in lines if name in readers), MAX_LINES)
    claims = (
        Claim(digest, name)
        for name, value in telling
        if len(value) <= MAX_VALUE_CHARS
        for digest in readers[name](value)
    )
    named = of_path(path)
    by_path = (Claim(named, PATH_FIELD),) if named else ()
    return tuple(dict.fromkeys(islice(chain(claims, by_path), MAX_CLAIMS)))


def agree(claims: Iterable[Claim]) -> Mapping[Algorithm, Claim]:
    """For each algorithm on which all claims agree, the first of them; iterates from the strongest on.

    Claims that disagree cancel each other, and their algorithm is missing; the others stay. One of the two is
    right, and which one it is says nothing about the sums of another algorithm.
    """
    said: dict[Algorithm, list[Claim]] = {algorithm: [] for algorithm in STRONGEST_FIRST}
    for claim in claims:
        said[claim.digest.algorithm].append(claim)
    return {
        algorithm: same[0]
        for algorithm, same in said.items()
        if same and all(claim.digest == same[0].digest for claim in same)
    }


def with_carried(own: Sequence[Claim], carried: Iterable[Claim]) -> tuple[Claim, ...]:
    """`own`, and what a redirect said of algorithms that `own` does not name: the origin's own header wins.

    It wins even where its lines disagree and so cancel: then the algorithm gives nothing.
    """
    named = {claim.digest.algorithm for claim in own}
    return (*own, *(claim for claim in carried if claim.digest.algorithm not in named))


def _readers_for(lines: _Lines, status: int) -> Mapping[str, Reader]:
    """The fields that speak of the whole file in this response, and their readers."""
    excluded = _excluded(lines, status)
    readers = {name: reader for name, reader in READERS.items() if name not in excluded}
    if "etag" in readers and _tag_is_md5(lines):
        readers["etag"] = s3_tag
    return readers


def _excluded(lines: _Lines, status: int) -> frozenset[str]:
    excluded: frozenset[str] = frozenset()
    if status == _PARTIAL:
        excluded = _NOT_ON_PARTIAL
    elif status in _REDIRECTS:
        excluded = _NOT_ON_REDIRECTS
    if _is_coded(lines, "x-goog-stored-content-encoding"):
        excluded |= {"x-goog-hash"}  # of the stored bytes, which Google decoded for this response
    if any(kind != "full_object" for kind in _words(lines, "x-amz-checksum-type")):
        excluded |= S3_CHECKSUMS  # COMPOSITE: a checksum of the parts' checksums
    return excluded


def _tag_is_md5(lines: _Lines) -> bool:
    """Whether 32 hex digits as entity tag are an MD5: only at S3, and only where S3 says so.

    S3's tag is none for objects under SSE-C and SSE-KMS, nor in directory buckets (S3 API reference, "Object"
    and "PutObject"). CloudFront's `x-amz-cf-id` and API Gateway's `x-amzn-requestid` come without S3 too, so
    they prove nothing.
    """
    names = {name for name, _ in lines}
    is_s3 = not names.isdisjoint(("x-amz-request-id", "x-amz-id-2")) or any(
        server.startswith(("amazons3", "minio")) for server in _words(lines, "server")
    )
    return (
        is_s3
        and "x-amz-server-side-encryption-customer-algorithm" not in names
        and all(sse == "aes256" for sse in _words(lines, "x-amz-server-side-encryption"))
        and "express_onezone" not in _words(lines, "x-amz-storage-class")
    )


def _is_coded(lines: _Lines, name: str) -> bool:
    return any(coding != "identity" for coding in _words(lines, name))


def _words(lines: _Lines, name: str) -> list[str]:
    """The comma-separated words of all lines of a field, lower-case, without the empty ones."""
    joined = ",".join(value for line, value in lines if line == name)
    return [word for word in (part.strip().lower() for part in joined.split(",")) if word]
