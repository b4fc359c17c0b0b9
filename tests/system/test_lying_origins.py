"""An origin that names a file on this disk and sends another: its own bytes arrive, whole, and never a mixture."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from addon.proof import SAMPLES
from tests.origin import Cut, Origin
from tests.origin.server import Scheme
from tests.system import clients
from tests.system.clients import Result
from tests.system.conftest import MIB, ProxyFactory, Site, claim, index_file, random_content
from tests.system.raw_clients import RawClient, SlowHttp1Client, SlowHttp2Client

TRUTH = random_content(8 * MIB, seed=21)
OTHER = random_content(8 * MIB, seed=22)
LIES = {"from the start": OTHER, "after 2 MiB": TRUTH[: 2 * MIB] + OTHER[2 * MIB :]}
SCHEMES: list[Scheme] = ["http", "https", "h2"]
FAULTS: dict[str, dict[str, Any]] = {
    "ignores ranges": {"ranges": False},
    "503 to ranges": {"status_for_ranges": 503},
    "429 to ranges": {"status_for_ranges": 429},
    "wrong start": {"lie_on_ranges": "wrong_start"},
    "wrong total": {"lie_on_ranges": "wrong_total"},
    "another ETag on ranges": {"lie_on_ranges": "other_etag"},
}


@pytest.fixture(scope="module", autouse=True)
def held(site: Site) -> Path:
    clients.require("curl")
    site.origin.rate = None
    return site.hold(TRUTH)


def fetch(site: Site, path: str, downloads: Path, scheme: Scheme) -> Result:
    url = site.origin.url(path, scheme)
    return clients.curl(url, downloads / "out", proxy=site.proxy, http2=scheme == "h2", extra=["-m", "20"])


def assert_from_origin(site: Site, path: str, result: Result, content: bytes) -> str:
    """Whole and as the origin sent it; what the log says of it."""
    assert (result.exit_code, result.status, result.stderr) == (0, 200, "")
    assert result.path.read_bytes() == content
    said = site.delivered(path)
    assert said.startswith("origin: 8.0 MiB, nothing saved: "), said
    return said


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_lie_arrives_as_it_was_sent(site: Site, downloads: Path, lie: bytes, scheme: Scheme) -> None:
    path = site.offer(TRUTH, lie_content=lie)
    result = fetch(site, path, downloads, scheme)
    said = assert_from_origin(site, path, result, lie)
    assert result.header("Cache-Status") == "nearfetch; fwd=miss; detail=candidate"
    assert "not proven" in said


@pytest.mark.parametrize("scheme", ["http", "h2"])
@pytest.mark.parametrize("content", [TRUTH, LIES["after 2 MiB"]], ids=["truth", "lie"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_nothing_is_proven_without_ranges(
    site: Site, downloads: Path, fault: dict[str, Any], content: bytes, scheme: Scheme
) -> None:
    path = site.offer(TRUTH, lie_content=content, **fault)
    result = fetch(site, path, downloads, scheme)
    assert "not proven" in assert_from_origin(site, path, result, content)


def test_samples_of_a_lie_stop_at_its_first_difference(site: Site, downloads: Path) -> None:
    """An origin that differs within the first bytes is asked for no samples."""
    path = site.offer(TRUTH, lie_content=OTHER)
    site.origin.reset_counts()
    assert_from_origin(site, path, fetch(site, path, downloads, "http"), OTHER)
    assert [record.header("Range") for record in site.origin.requests] == [None]


def test_another_length_is_no_candidate(site: Site, downloads: Path) -> None:
    longer = OTHER + b"more"
    path = site.offer(longer, headers=claim(TRUTH))
    result = fetch(site, path, downloads, "http")
    assert (result.exit_code, result.header("Cache-Status")) == (0, "nearfetch; fwd=miss")
    assert result.path.read_bytes() == longer


def test_digests_that_disagree_name_nothing(site: Site, downloads: Path) -> None:
    path = site.offer(TRUTH, headers=[*claim(TRUTH), *claim(OTHER)])
    result = fetch(site, path, downloads, "http")
    assert (result.exit_code, result.header("Cache-Status")) == (0, "nearfetch; fwd=miss")
    assert result.path.read_bytes() == TRUTH


def test_stronger_digest_that_differs_rules_the_copy_out(site: Site, downloads: Path) -> None:
    stronger = ("X-Checksum-Sha256", hashlib.sha256(OTHER).hexdigest())
    path = site.offer(TRUTH, headers=[*claim(TRUTH), stronger])
    result = fetch(site, path, downloads, "http")
    assert (result.exit_code, result.header("Cache-Status")) == (0, "nearfetch; fwd=miss")
    assert result.path.read_bytes() == TRUTH


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", ["close", "reset"])
@pytest.mark.parametrize("after", [0, 32 * 1024, 64 * 1024 + 1])
def test_origin_that_breaks_off_is_helped_out(
    site: Site, downloads: Path, after: int, kind: Any, scheme: Scheme
) -> None:
    """The copy is proven by samples that follow; the client does not notice."""
    path = site.offer(TRUTH, cut_at=[Cut(kind, after)])
    result = fetch(site, path, downloads, scheme)
    assert (result.exit_code, result.status, result.stderr) == (0, 200, "")
    assert result.path.read_bytes() == TRUTH
    assert site.delivered(path).startswith("local: ")


@pytest.mark.parametrize(("scheme", "exit_codes"), [("http", {18, 56}), ("https", {18, 56}), ("h2", {18, 92, 56})])
@pytest.mark.parametrize("kind", ["close", "reset"])
def test_origin_that_breaks_off_unproven_is_an_error(
    site: Site, downloads: Path, kind: Any, scheme: Scheme, exit_codes: set[int]
) -> None:
    path = site.offer(TRUTH, lie_content=LIES["after 2 MiB"], ranges=False, cut_at=[Cut(kind, 3 * MIB, times=99)])
    result = fetch(site, path, downloads, scheme)
    assert result.exit_code in exit_codes, result.stderr
    assert LIES["after 2 MiB"].startswith(result.path.read_bytes())
    assert "broken off" in site.delivered(path)


@pytest.mark.parametrize(
    ("client", "scheme"), [(SlowHttp1Client, "http"), (SlowHttp1Client, "https"), (SlowHttp2Client, "h2")]
)
def test_no_mixture_where_the_samples_tell_the_truth(
    origin: Origin, proxy_factory: ProxyFactory, tmp_path: Path, client: type[RawClient], scheme: Scheme
) -> None:
    """The first answer lies after its first 64 KiB, which the client has when the copy is proven."""
    proxy = proxy_factory(min_size="1m", prefer="latency")
    truth, other = random_content(24 * MIB, seed=23), random_content(24 * MIB, seed=24)
    (tmp_path / "copy").write_bytes(truth)
    index_file(proxy.data_dir, tmp_path / "copy")
    sent = truth[: 64 * 1024] + other[64 * 1024 :]
    held = Cut("hold", 32 * 1024)
    resource = origin.add("/file", truth, headers=claim(truth), lie_content=sent, cut_at=[held])
    with client(origin.url("/file", scheme), proxy=proxy) as slow:
        slow.read(32 * 1024)
        resource.lie_content, resource.delay_headers = None, 0.5
        origin.release(held)
        slow.read(MIB)
        assert not any(record.finished for record in origin.requests), "the samples came too early for this test"
        origin.wait_for(lambda: sum(record.finished for record in origin.requests) == SAMPLES)
        origin.wait_for(lambda: origin.open_connections == 1)
        slow.read()
        assert (slow.complete, slow.error) == (True, None)
        assert slow.sha256 == hashlib.sha256(sent).hexdigest()
    assert "what the origin sent is not what the local copy holds" in proxy.wait_for_log("/file origin: .*")[0]
