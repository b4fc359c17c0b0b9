"""The origin's faults, seen by curl and by clients that are slow or leave."""

from pathlib import Path

import pytest

from tests.origin import Cut, Origin, Resource
from tests.origin.conftest import CONTENT, SCHEMES, Fetch
from tests.origin.server import Scheme
from tests.system.clients import available
from tests.system.raw_clients import RawClient, SlowHttp1Client, SlowHttp2Client, leave_at

pytestmark = pytest.mark.skipif(not available("curl"), reason="curl is not installed")

RESET_EXIT_CODES = {"http": 56, "https": 56, "h2": 92}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", ["close", "reset"])
def test_cut_lets_exactly_the_bytes_before_it_through(
    origin: Origin, fetch: Fetch, resource: Resource, scheme: Scheme, kind: str
) -> None:
    resource.cut_at = [Cut("close" if kind == "close" else "reset", 1_234_567)]
    result = fetch(scheme)
    assert result.exit_code == (18 if kind == "close" else RESET_EXIT_CODES[scheme])
    assert result.path.read_bytes() == CONTENT[:1_234_567]
    origin.wait_for(lambda: origin.requests[0].ended == "cut")
    assert fetch(scheme).exit_code == 0, "it happens once"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_stall_lasts_until_the_client_gives_up(
    origin: Origin, fetch: Fetch, resource: Resource, scheme: Scheme
) -> None:
    resource.cut_at = [Cut("stall", 1_000_000)]
    result = fetch(scheme, "-m", "1")
    assert (result.exit_code, result.size) == (28, 1_000_000)
    origin.wait_for(lambda: origin.requests[0].ended == "peer left")
    origin.wait_for(lambda: origin.open_connections == 0)


def test_cut_counts_in_the_representation(fetch: Fetch, resource: Resource) -> None:
    resource.cut_at = [Cut("close", 2_000_000, times=2)]
    assert fetch(Range="bytes=1500000-").size == 500_000
    assert fetch(Range="bytes=2000000-").size == 0
    assert fetch(Range="bytes=2000000-").size == 1_000_000


def test_held_body_goes_on_when_released(origin: Origin, tmp_path: Path) -> None:
    hold = Cut("hold", 1_000_000)
    origin.add("/held", CONTENT, cut_at=[hold])
    with SlowHttp2Client(origin.url("/held", "h2"), ca=origin.ca_file) as client:
        client.read(1_000_000)
        assert (client.received, client.complete) == (1_000_000, False)
        origin.release(hold)
        assert client.read() == len(CONTENT)
        assert client.complete


def test_chunked_body_can_be_cut_after_its_last_byte(fetch: Fetch, resource: Resource) -> None:
    resource.chunked = True
    resource.cut_at = [Cut("close", len(CONTENT))]
    assert fetch().exit_code == 18


@pytest.mark.parametrize(("declared", "exit_code", "size"), [(4_000_000, 18, 3_000_000), (9, 0, 9)])
def test_length_that_lies(fetch: Fetch, resource: Resource, declared: int, exit_code: int, size: int) -> None:
    resource.declared_length = declared
    result = fetch()
    assert (result.exit_code, result.size) == (exit_code, size)


def test_lies_about_ranges(fetch: Fetch, resource: Resource) -> None:
    resource.lie_on_ranges = "wrong_total"
    assert fetch(Range="bytes=8-9").header("Content-Range") == "bytes 8-9/3000001"
    resource.lie_on_ranges = "wrong_start"
    assert fetch(Range="bytes=8-9").header("Content-Range") == "bytes 4-9/3000000"
    resource.lie_on_ranges = "other_etag"
    assert fetch(Range="bytes=8-9").header("ETag") == '"another"'


def test_ranges_ignored_or_refused(fetch: Fetch, resource: Resource) -> None:
    resource.status_for_ranges = 503
    assert fetch(Range="bytes=8-9").status == 503
    resource.status_for_ranges, resource.ranges = None, False
    result = fetch(Range="bytes=8-9")
    assert (result.status, result.header("Accept-Ranges")) == (200, None)


def test_content_that_is_not_what_the_headers_say(fetch: Fetch, resource: Resource) -> None:
    resource.headers = [("X-Checksum-Sha1", "claimed")]
    resource.lie_content = bytes(len(CONTENT))
    result = fetch()
    assert (result.header("X-Checksum-Sha1"), result.path.read_bytes()) == ("claimed", bytes(len(CONTENT)))


def test_rate_is_shared_by_all(origin: Origin, fetch: Fetch) -> None:
    origin.rate = 6_000_000
    result = fetch("http", "-m", "0.25")
    assert result.exit_code == 28
    assert 300_000 < result.size < 1_700_000


@pytest.mark.parametrize(
    ("client", "scheme"), [(SlowHttp1Client, "http"), (SlowHttp1Client, "https"), (SlowHttp2Client, "h2")]
)
def test_slow_reader_slows_the_origin_down(origin: Origin, client: type[RawClient], scheme: Scheme) -> None:
    origin.add("/large", bytes(64_000_000))
    with client(origin.url("/large", scheme), ca=origin.ca_file, rate=5_000_000) as slow:
        slow.read(1_000_000)
        assert origin.body_bytes < slow.received + 1_500_000


def test_cancelled_stream_leaves_the_connection_open(origin: Origin) -> None:
    origin.add("/large", bytes(64_000_000))
    with SlowHttp2Client(origin.url("/large", "h2"), ca=origin.ca_file) as client:
        client.read(100_000)
        client.leave("cancel")
        origin.wait_for(lambda: origin.requests[0].ended == "peer left")
        assert origin.open_connections == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_that_leaves_is_noticed(origin: Origin, how: str) -> None:
    origin.add("/large", bytes(64_000_000))
    client = leave_at(origin.url("/large"), 5_000, how="close" if how == "close" else "reset")
    origin.wait_for(lambda: origin.requests[0].ended == "peer left")
    assert client.received == 5_000
    assert origin.body_bytes < 10_000_000


@pytest.mark.parametrize("scheme", SCHEMES)
def test_fault_of_the_origin_itself_fails_the_test(scheme: Scheme, tmp_path: Path) -> None:
    def fetch_what_is_too_short() -> None:
        with Origin() as origin:
            origin.add("/file", CONTENT, lie_content=b"shorter than it should be")
            assert Fetch(origin, tmp_path)(scheme).exit_code != 0

    with pytest.raises(ExceptionGroup, match="the origin itself failed"):
        fetch_what_is_too_short()
