"""The dialects in which origins write digests: a reader of one field line for each.

Origins are sloppy, so every reader takes hex where base64 belongs and the other way round, either case,
missing padding, the URL-safe alphabet, quotes and spaces: the decoded length decides. A reader yields what it
can use, nothing where it can use nothing, and never raises. Whether a field speaks of the whole file is not
known here; that depends on the rest of the response, and `digest_headers` decides it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import http_sf

from hashdb.digest import SIZES, Algorithm, Digest

MAX_VALUE_CHARS: Final = 1024
"""Characters of a field line, or of a request's path without its query, that are read; a longer one is passed
over whole. One line with all algorithms of RFC 9530 has less than 400."""

type Reader = Callable[[str], Iterator[Digest]]
"""Takes one line of a field, gives the digests in it."""

_NAMES: Final = {
    "md5": Algorithm.MD5,
    "sha": Algorithm.SHA1,
    "sha1": Algorithm.SHA1,
    "sha-1": Algorithm.SHA1,
    "sha256": Algorithm.SHA256,
    "sha-256": Algorithm.SHA256,
    "sha512": Algorithm.SHA512,
    "sha-512": Algorithm.SHA512,
}

_PAIR: Final = re.compile(
    # The name must stand alone: `id-sha-256` and `sha3-256` are other algorithms. The bounds keep it linear.
    r"(?<![\w-])(md5|sha(?:-?(?:1|256|512))?)[ \t]{0,8}[=:][ \t\"':]{0,8}([\w+/=-]{1,160})",
    re.ASCII | re.IGNORECASE,
)
_WRAPPING: Final = " \t\"':"
_URL_SAFE: Final = str.maketrans("-_", "+/")


def decode(text: str, algorithm: Algorithm) -> Digest | None:
    """The digest that `text` spells in hex or base64, or None where it spells none of that algorithm."""
    spelling = text.strip(_WRAPPING)
    size = SIZES[algorithm]
    if len(spelling) > 2 * size:  # hex is the longest spelling
        return None
    try:
        value = bytes.fromhex(spelling) if len(spelling) == 2 * size else _from_base64(spelling)
    except ValueError:
        return None
    return Digest(algorithm, value) if len(value) == size else None


def _from_base64(text: str) -> bytes:
    bare = text.rstrip("=").translate(_URL_SAFE)
    return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)


def _pairs(value: str) -> Iterator[Digest]:
    """`SHA-256=…, MD5=…` (RFC 3230 section 4.3.2), `crc32c=…,md5=…` (GCS), `SHA1:… MD5:…`, `sha256:…`."""
    for name, text in _PAIR.findall(value):
        if digest := decode(text, _NAMES[name.lower()]):
            yield digest


def _dictionary(value: str) -> Iterator[Digest]:
    """`sha-256=:…:` (RFC 9530 section 2 and 3); a line that is not well-formed is read as loose pairs."""
    strictly = _structured(value)
    yield from _pairs(value) if strictly is None else strictly


def _structured(value: str) -> list[Digest] | None:
    """The digests of a well-formed dictionary; None where a lenient reading could find more.

    A repeated key counts as malformed: structured fields let the last one win, but claims that differ must
    cancel each other.
    """
    repeated: list[str] = []
    try:
        members = http_sf.parse(
            value.encode("ascii", "replace"),
            tltype="dictionary",
            on_duplicate_key=lambda key, _kind: repeated.append(key),
        )
    except http_sf.StructuredFieldError:
        return None
    if repeated or not isinstance(members, dict):
        return None
    read = [_of_member(member, _NAMES[name]) for name, member in members.items() if name in _NAMES]
    digests = [digest for digest in read if digest]
    return digests if len(digests) == len(read) else None


def _of_member(member: object, algorithm: Algorithm) -> Digest | None:
    match member:
        case (bytes(value), _) if len(value) == SIZES[algorithm]:
            return Digest(algorithm, value)
        case _:
            return None


def _bare(algorithm: Algorithm) -> Reader:
    """The reader of a field whose name tells the algorithm. A proxy may have joined its lines by commas."""

    def read(value: str) -> Iterator[Digest]:
        for text in value.split(","):
            if digest := decode(text, algorithm):
                yield digest

    return read


def _tag(algorithm: Algorithm, pattern: str) -> Reader:
    """The reader of an entity tag that holds hex. A weak tag (`W/`) promises no equal bytes (RFC 9110 section
    8.8.1): it is no claim."""
    tag = re.compile(rf'"?{pattern}"?', re.ASCII | re.IGNORECASE)

    def read(value: str) -> Iterator[Digest]:
        if found := tag.fullmatch(value.strip()):
            yield Digest(algorithm, bytes.fromhex(found[1]))

    return read


_nexus_tag: Final = _tag(Algorithm.SHA1, r"\{SHA1\{([0-9a-f]{40})\}\}")
_md5_tag: Final = _tag(Algorithm.MD5, "([0-9a-f]{32})")


def s3_tag(value: str) -> Iterator[Digest]:
    """`ETag` where the response is known to be S3's: 32 hex digits are an MD5, `…-N` (multipart) is none."""
    yield from _nexus_tag(value)
    yield from _md5_tag(value)


_CHECKSUM_PREFIXES: Final = (
    "x-checksum-",  # Maven Central, Artifactory
    "x-goog-meta-checksum-",  # mirrors of them in object stores
    "x-amz-meta-checksum-",
    "x-amz-checksum-",  # S3's own, base64
)

READERS: Final[Mapping[str, Reader]] = {
    **{f"{prefix}{name}": _bare(_NAMES[name]) for prefix in _CHECKSUM_PREFIXES for name in _NAMES},
    "repr-digest": _dictionary,
    "content-digest": _dictionary,
    "digest": _pairs,  # MirrorBrain: one line an algorithm, on the 302
    "etag": _nexus_tag,
    "x-goog-hash": _pairs,  # Google Cloud Storage
    "x-ms-blob-content-md5": _bare(Algorithm.MD5),  # Azure
    "content-md5": _bare(Algorithm.MD5),
    # Hugging Face, on the 302: 64 digits are the file's SHA-256, 40 are a git blob id, no digest of the file.
    "x-linked-etag": _tag(Algorithm.SHA256, "([0-9a-f]{64})"),
    "docker-content-digest": _pairs,
    # Backblaze; also `none` and `unverified:HEX`, where only the uploader vouched, and which no length fits.
    "x-bz-content-sha1": _bare(Algorithm.SHA1),
    "x-gitlab-content-sha256": _bare(Algorithm.SHA256),
    "oc-checksum": _pairs,  # ownCloud, Nextcloud: `SHA1:…`, several apart by spaces
}
"""By lower-case field name, how a line of it is read."""

S3_CHECKSUMS: Final = frozenset(f"x-amz-checksum-{name}" for name in _NAMES)

_BLOB_PATH: Final = re.compile(r"/blobs/(sha256|sha512)(?::|%3a)([0-9a-f]{64,128})/?\Z", re.ASCII | re.IGNORECASE)


def of_path(path: str) -> Digest | None:
    """The digest that names a blob of an OCI registry: `/v2/NAME/blobs/sha256:HEX`, whatever the query."""
    resource = path.partition("?")[0]
    if len(resource) > MAX_VALUE_CHARS:
        return None
    found = _BLOB_PATH.search(resource)
    return decode(found[2], _NAMES[found[1].lower()]) if found else None
