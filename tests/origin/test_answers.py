"""The origin's honest answers, seen by curl."""

import os
from pathlib import Path

import pytest

from tests.origin import Origin, Resource
from tests.origin.conftest import CONTENT, SCHEMES, Fetch
from tests.origin.server import Scheme
from tests.system.clients import available

pytestmark = pytest.mark.skipif(not available("curl"), reason="curl is not installed")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_whole_body_arrives_and_is_counted(origin: Origin, fetch: Fetch, scheme: Scheme) -> None:
    result = fetch(scheme)
    assert (result.exit_code, result.status) == (0, 200)
    assert result.path.read_bytes() == CONTENT
    assert result.header("Content-Length") == str(len(CONTENT))
    origin.wait_for(lambda: origin.requests[0].finished)
    assert origin.body_bytes == len(CONTENT)
    assert origin.requests[0].http == ("2" if scheme == "h2" else "1.1")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("wanted", "part", "claim"),
    [
        ("bytes=0-99", CONTENT[:100], "bytes 0-99/3000000"),
        ("bytes=2999990-", CONTENT[-10:], "bytes 2999990-2999999/3000000"),
        ("bytes=-7", CONTENT[-7:], "bytes 2999993-2999999/3000000"),
        ("bytes=2999999-9999999", CONTENT[-1:], "bytes 2999999-2999999/3000000"),
    ],
    ids=["closed", "open", "suffix", "beyond the end"],
)
def test_range(fetch: Fetch, scheme: Scheme, wanted: str, part: bytes, claim: str) -> None:
    result = fetch(scheme, Range=wanted)
    assert (result.exit_code, result.status, result.header("Content-Range")) == (0, 206, claim)
    assert result.path.read_bytes() == part


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Range": "bytes=3000000-"}, 416),
        ({"Range": "bytes=0-1,5-6"}, 200),
        ({"Range": "bytes=9-1"}, 200),
        ({"Range": "lines=0-1"}, 200),
        ({"Range": "bytes=0-1", "If_Range": '"v1"'}, 206),
        ({"Range": "bytes=0-1", "If_Range": '"v2"'}, 200),
        ({"Range": "bytes=0-1", "If_Range": 'W/"v1"'}, 200),
        ({"If_None_Match": '"v0", W/"v1"'}, 304),
        ({"If_None_Match": '"v0"'}, 200),
        ({"If_Modified_Since": "Tue, 02 Jan 2024 00:00:00 GMT"}, 304),
        ({"If_Modified_Since": "Sun, 31 Dec 2023 00:00:00 GMT"}, 200),
        ({"Range": "bytes=0-1", "If_Range": "Mon, 01 Jan 2024 00:00:00 GMT"}, 206),
    ],
)
def test_status(fetch: Fetch, resource: Resource, headers: dict[str, str], status: int) -> None:
    resource.last_modified = "Mon, 01 Jan 2024 00:00:00 GMT"
    assert fetch("http", **headers).status == status


def test_weak_etag_is_no_condition_for_a_range(fetch: Fetch, resource: Resource) -> None:
    resource.etag = 'W/"v1"'
    assert fetch(Range="bytes=0-1", If_Range='W/"v1"').status == 200


@pytest.mark.parametrize("scheme", SCHEMES)
def test_head_has_the_headers_without_the_body(fetch: Fetch, scheme: Scheme) -> None:
    result = fetch(scheme, "--head")
    assert (result.exit_code, result.header("Content-Length")) == (0, "3000000")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_unknown_path(fetch: Fetch, scheme: Scheme) -> None:
    assert fetch(scheme, path="/nothing").status == 404


@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_a_length(fetch: Fetch, resource: Resource, scheme: Scheme) -> None:
    resource.chunked = True
    result = fetch(scheme)
    assert (result.exit_code, result.header("Content-Length")) == (0, None)
    assert result.path.read_bytes() == CONTENT


def test_http10(fetch: Fetch, resource: Resource) -> None:
    resource.http10 = resource.chunked = True
    result = fetch()
    assert (result.exit_code, result.size) == (0, len(CONTENT))
    assert result.header("Transfer-Encoding") is None


def test_redirect(origin: Origin, fetch: Fetch) -> None:
    origin.add("/old", b"", redirect_to="/file", redirect_headers=[("Link", "<x>")])
    assert fetch(path="/old").header("Link") == "<x>"
    assert fetch("http", "-L", path="/old").size == len(CONTENT)


def test_file_larger_than_memory_is_served_in_parts(origin: Origin, fetch: Fetch, tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)
    origin.add("/sparse", sparse)
    result = fetch(path="/sparse", Range="bytes=-1000")
    assert (result.status, result.path.read_bytes()) == (206, bytes(1000))


def test_counts_can_be_forgotten(origin: Origin, fetch: Fetch) -> None:
    fetch()
    origin.reset_counts()
    assert (origin.requests, origin.body_bytes) == ([], 0)
    with pytest.raises(TimeoutError):
        origin.wait_for(lambda: bool(origin.requests), timeout=0.05)
