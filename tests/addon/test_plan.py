"""The plan: which responses are looked at, who is trusted, and what is tried."""

from __future__ import annotations

import hashlib

import pytest
from mitmproxy.http import Headers

from addon.digest_headers import Claim
from addon.plan import (
    MIN_CLIENT_RANGE,
    Facts,
    Policy,
    Stream,
    TryLocal,
    decide,
    eligible_span,
    is_script,
    keys,
)
from addon.ranges import Span
from addon.search import Proof
from hashdb.digest import Algorithm, ContentSums, Digest
from hashdb.fingerprint import Fingerprint
from hashdb.records import KnownFile

MIN = 10 << 20
BIG = 64 << 20
POLICY = Policy(MIN, Proof.SAMPLES, frozenset())

type Lines = dict[str, str]


def headers(lines: Lines) -> Headers:
    return Headers([(name.encode(), value.encode()) for name, value in lines.items()])


def facts(method: str, request: Lines, status: int, response: Lines) -> Facts:
    return Facts(method, headers(request), status, headers(response))


def part(first: int, last: int, total: int | str = BIG) -> Lines:
    return {"Content-Range": f"bytes {first}-{last}/{total}", "Content-Length": str(last - first + 1)}


WHOLE = {"Content-Length": str(BIG)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (facts("GET", {}, 200, WHOLE), Span(0, BIG, BIG)),
        (facts("GET", {}, 200, {"content-length": str(MIN)}), Span(0, MIN, MIN)),
        (facts("GET", {}, 200, {**WHOLE, "Content-Encoding": "identity"}), Span(0, BIG, BIG)),
        (facts("GET", {"Range": "bytes=5-"}, 200, WHOLE), Span(0, BIG, BIG)),
        (facts("GET", {"Range": "bytes=5-"}, 206, part(5, BIG - 1)), Span(5, BIG, BIG)),
        (facts("GET", {"Range": f"bytes=5-{BIG * 2}"}, 206, part(5, BIG - 1)), Span(5, BIG, BIG)),
        (
            facts("GET", {"Range": f"bytes=-{MIN_CLIENT_RANGE}"}, 206, part(BIG - MIN_CLIENT_RANGE, BIG - 1)),
            Span(BIG - MIN_CLIENT_RANGE, BIG, BIG),
        ),
        (
            facts("GET", {"Range": f"bytes=0-{MIN_CLIENT_RANGE - 1}"}, 206, part(0, MIN_CLIENT_RANGE - 1)),
            Span(0, MIN_CLIENT_RANGE, BIG),
        ),
    ],
)
def test_responses_that_are_looked_at(given: Facts, expected: Span) -> None:
    assert eligible_span(given, POLICY) == expected


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "get", "CONNECT", "OPTIONS", "DELETE", "PATCH"])
def test_other_methods_are_left_alone(method: str) -> None:
    assert eligible_span(facts(method, {}, 200, WHOLE), POLICY) is None


@pytest.mark.parametrize("status", [100, 201, 203, 204, 301, 302, 304, 307, 400, 404, 416, 500, 503])
def test_other_statuses_are_left_alone(status: int) -> None:
    assert eligible_span(facts("GET", {}, status, WHOLE), POLICY) is None


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "identity, gzip", "GZIP", "x"])
def test_encoded_responses_are_left_alone(coding: str) -> None:
    assert eligible_span(facts("GET", {}, 200, {**WHOLE, "Content-Encoding": coding}), POLICY) is None


@pytest.mark.parametrize(
    ("request_lines", "status", "response_lines"),
    [
        ({}, 200, {}),
        ({}, 200, {"Transfer-Encoding": "chunked"}),
        ({}, 200, {"Content-Length": str(MIN - 1)}),
        ({}, 200, {"Content-Length": "-1"}),
        ({}, 200, {"Content-Length": f"{BIG}, {BIG + 1}"}),
        ({}, 200, {**WHOLE, "Content-Range": f"bytes 0-9/{BIG}"}),
        ({}, 206, part(5, BIG - 1)),
        ({"Range": "bytes=5-"}, 206, {}),
        ({"Range": "bytes=5-"}, 206, WHOLE),
        ({"Range": "bytes=5-"}, 206, {"Content-Range": f"bytes 5-{BIG - 1}/{BIG}"}),
        ({"Range": "bytes=5-"}, 206, {"Content-Type": "multipart/byteranges; boundary=x", **WHOLE}),
        ({"Range": "bytes=5-"}, 206, part(6, BIG - 1)),
        ({"Range": "bytes=5-"}, 206, part(5, BIG - 2)),
        ({"Range": "bytes=5-"}, 206, part(5, BIG - 1, "*")),
        ({"Range": "bytes=5-"}, 206, {**part(5, BIG - 1), "Content-Length": "7"}),
        ({"Range": "bytes=-500"}, 206, part(BIG - 500, BIG - 1)),
        ({"Range": f"bytes=-{BIG // 2}"}, 206, part(0, BIG // 2 - 1)),
        ({"Range": f"bytes=0-{MIN_CLIENT_RANGE - 2}"}, 206, part(0, MIN_CLIENT_RANGE - 2)),
        ({"Range": f"bytes=0-,{BIG // 2}-"}, 206, part(0, BIG - 1)),
        ({"Range": "items=0-"}, 206, part(0, BIG - 1)),
        ({"Range": "bytes=9-5"}, 206, part(0, BIG - 1)),
        ({"Range": "bytes=0-"}, 206, part(0, MIN - 2, MIN - 1)),
        ({"Range": "bytes=5-"}, 206, {**part(5, BIG - 1), "Content-Encoding": "gzip"}),
    ],
)
def test_what_is_not_surely_one_large_part_is_left_alone(
    request_lines: Lines, status: int, response_lines: Lines
) -> None:
    assert eligible_span(facts("GET", request_lines, status, response_lines), POLICY) is None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ({}, False),
        ({"User-Agent": "curl/8", "Referer": "https://a.example/"}, False),
        ({"Sec-Fetch-Mode": "navigate"}, False),
        ({"Sec-Fetch-Mode": " Navigate "}, False),
        ({"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}, False),
        ({"Sec-Fetch-Mode": "cors"}, True),
        ({"Sec-Fetch-Mode": "no-cors"}, True),
        ({"Sec-Fetch-Mode": "same-origin"}, True),
        ({"Sec-Fetch-Mode": "websocket"}, True),
        ({"Sec-Fetch-Mode": ""}, True),
        ({"Sec-Fetch-Mode": "navigate, cors"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Dest": "empty"}, True),
        ({"Sec-Fetch-User": "?1"}, True),
        ({"Origin": "https://a.example"}, True),
        ({"origin": "null"}, True),
        ({"Sec-Fetch-Mode": "navigate", "Origin": "https://a.example"}, True),
    ],
)
def test_scripts(lines: Lines, expected: bool) -> None:
    assert is_script(headers(lines)) is expected


def digest(algorithm: Algorithm, content: bytes = b"x") -> Digest:
    return Digest(algorithm, hashlib.new(algorithm.value, content, usedforsecurity=False).digest())


def claims(*algorithms: Algorithm) -> dict[Algorithm, Claim]:
    return {algorithm: Claim(digest(algorithm), "repr-digest") for algorithm in algorithms}


def copy(length: int = BIG, file_id: int = 1) -> KnownFile:
    sums = ContentSums(length, digest(Algorithm.SHA1), digest(Algorithm.SHA256), b"")
    return KnownFile(file_id, "/a", Fingerprint(length, 1, 1, 1), 1, sums)


def test_the_keys_are_the_indexed_ones_the_stronger_first() -> None:
    found = keys(claims(Algorithm.SHA512, Algorithm.SHA1, Algorithm.SHA256, Algorithm.MD5))
    assert [claim.digest.algorithm for claim in found] == [Algorithm.SHA256, Algorithm.SHA1]
    assert keys(claims(Algorithm.MD5)) == ()


def plan_for(named: dict[Algorithm, Claim], held: list[KnownFile], lines: Lines | None = None) -> Stream | TryLocal:
    return decide(facts("GET", lines or {}, 200, WHOLE), Span(0, BIG, BIG), named, held, Proof.HEAD)


SHA1, SHA256 = claims(Algorithm.SHA1), claims(Algorithm.SHA256)


@pytest.mark.parametrize(
    ("named", "held", "lines", "why"),
    [
        ({}, [copy()], {}, "names no digest"),
        (claims(Algorithm.MD5, Algorithm.SHA512), [copy()], {}, "(md5, sha512) that files are not indexed by"),
        (SHA1, [], {}, f"no local copy of sha1:{digest(Algorithm.SHA1).value.hex()}"),
        ({**SHA1, **SHA256}, [], {}, "no local copy of sha256:"),
        (SHA1, [copy(BIG - 1), copy(BIG + 1)], {}, "no local copy"),
        (SHA1, [copy()], {"Sec-Fetch-Mode": "cors"}, "script"),
        (SHA1, [copy()], {"Origin": "https://a.example"}, "script"),
    ],
)
def test_plain_downloads_and_why(named: dict[Algorithm, Claim], held: list[KnownFile], lines: Lines, why: str) -> None:
    chosen = plan_for(named, held, lines)
    assert isinstance(chosen, Stream)
    assert why in chosen.reason


def test_copies_that_are_tried() -> None:
    held = [copy(file_id=1), copy(BIG + 1, file_id=2), copy(file_id=3)]
    assert plan_for(SHA1, held) == TryLocal([held[0], held[2]], Proof.HEAD)
    assert plan_for({**SHA256, **claims(Algorithm.MD5)}, held, {"Sec-Fetch-Mode": "navigate"}) == TryLocal(
        [held[0], held[2]], Proof.HEAD
    )


@pytest.mark.parametrize(("carried", "proof"), [(False, Proof.TRUST), (True, Proof.SAMPLES)])
def test_what_a_redirect_said_is_never_trusted(carried: bool, proof: Proof) -> None:
    said = {Algorithm.SHA1: Claim(digest(Algorithm.SHA1), "digest", carried), **SHA256}
    chosen = decide(facts("GET", {}, 200, WHOLE), Span(0, BIG, BIG), said, [copy()], Proof.TRUST)
    assert chosen == TryLocal([copy()], proof)


def test_an_empty_file_is_left_alone() -> None:
    assert eligible_span(facts("GET", {}, 200, {"Content-Length": "0"}), Policy(0, Proof.HEAD, frozenset())) is None


def test_a_part_is_compared_by_the_whole_length() -> None:
    chosen = decide(facts("GET", {}, 206, {}), Span(5, 2 * MIN, BIG), SHA1, [copy()], Proof.SAMPLES)
    assert isinstance(chosen, TryLocal)
