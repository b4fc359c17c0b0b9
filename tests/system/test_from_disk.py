"""What lies on this disk comes from this disk, whichever client asks, and however the origin names it."""

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.origin.server import Scheme
from tests.system import clients
from tests.system.clients import HeaderPairs, Result
from tests.system.conftest import MIB, Site, random_content, sums_of
from tests.system.processes import Proxy

CANDIDATE = "nearfetch; fwd=miss; detail=candidate"
MOST_FROM_ORIGIN = 4 * MIB
SAMPLE = 16 * 1024
SMALLER = random_content(8 * MIB)
SCHEMES: list[Scheme] = ["http", "https", "h2"]

type Fetch = Callable[[str, Path, Proxy], Result]


def curl_http1(url: str, path: Path, proxy: Proxy) -> Result:
    clients.require("curl")
    return clients.curl(url, path, proxy=proxy)


def curl_http2(url: str, path: Path, proxy: Proxy) -> Result:
    clients.require("curl")
    return clients.curl(url, path, proxy=proxy, http2=True)


def wget(url: str, path: Path, proxy: Proxy) -> Result:
    clients.require("wget")
    return clients.wget(url, path, proxy=proxy)


def aria2c(url: str, path: Path, proxy: Proxy) -> Result:
    clients.require("aria2c")
    return clients.aria2c(url, path, proxy=proxy)


def aria2c_by_four(url: str, path: Path, proxy: Proxy) -> Result:
    clients.require("aria2c")
    return clients.aria2c(url, path, proxy=proxy, connections=4)


def python_requests(url: str, path: Path, proxy: Proxy) -> Result:
    return clients.requests_get(url, path, proxy=proxy)


FETCHES: list[Fetch] = [curl_http1, curl_http2, wget, aria2c, aria2c_by_four, python_requests]


@pytest.fixture(scope="module")
def large(site: Site, payload: Path, payload_sha256: str) -> tuple[str, str]:
    """64 MiB at the origin, the same under another name on the disk; its path and SHA-256."""
    site.hold(payload, "quite another name.iso")
    return site.offer(payload), payload_sha256


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("fetch", FETCHES)
def test_comes_from_disk_byte_for_byte(
    site: Site, large: tuple[str, str], downloads: Path, fetch: Fetch, scheme: Scheme
) -> None:
    site.origin.reset_counts()
    start = len(site.proxy.log)
    path, sha256 = large
    result = fetch(site.origin.url(path, scheme), downloads / "out", site.proxy)
    assert (result.exit_code, result.digest()) == (0, sha256), result.stderr
    assert result.headers == [] or result.header("Cache-Status") == CANDIDATE
    site.proxy.wait_for_log(rf"{path} local: .*/quite another name\.iso$", start=start)
    # Each request costs what lies in the kernel's buffers when its transfer is dropped.
    requests = sum(record.header("Range") is None or record.body_bytes > SAMPLE for record in site.origin.requests)
    assert site.origin.body_bytes < (MOST_FROM_ORIGIN if fetch is not aria2c_by_four else 2 * MIB * requests)


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


SHA1, SHA256 = hashlib.sha1(SMALLER, usedforsecurity=False).hexdigest(), hashlib.sha256(SMALLER).hexdigest()
DIALECTS = {
    "maven": [("X-Checksum-Sha1", SHA1)],
    "artifactory": [("X-Checksum-Sha256", SHA256.upper())],
    "rfc9530": [("Repr-Digest", f"sha-256=:{_base64(SHA256)}:")],
    "rfc9530-sha": [("Repr-Digest", f"sha=:{_base64(SHA1)}:")],
    "rfc3230": [("Digest", f"SHA={_base64(SHA1)}")],
    "rfc3230-lines": [("Digest", f"MD5={'A' * 22}=="), ("Digest", f"SHA-256={_base64(SHA256)}")],
    "s3": [("x-amz-checksum-sha1", _base64(SHA1))],
    "s3-metadata": [("x-amz-meta-checksum-sha1", SHA1)],
    "docker": [("Docker-Content-Digest", f"sha256:{SHA256}")],
}


@pytest.fixture(scope="module")
def smaller(site: Site) -> Path:
    return site.hold(SMALLER, "smaller.bin")


def assert_from_disk(site: Site, result: Result, content: bytes) -> None:
    assert (result.exit_code, result.status, result.stderr) == (0, 200, "")
    assert result.path.read_bytes() == content
    assert result.header("Cache-Status") == CANDIDATE
    assert site.origin.body_bytes < MOST_FROM_ORIGIN


@pytest.mark.parametrize("headers", DIALECTS.values(), ids=DIALECTS)
def test_digest_in_each_dialect(site: Site, smaller: Path, downloads: Path, headers: HeaderPairs) -> None:
    path = site.offer(SMALLER, headers=list(headers))
    site.origin.reset_counts()
    assert_from_disk(site, curl_http1(site.origin.url(path), downloads / "out", site.proxy), SMALLER)
    assert site.delivered(path).startswith("local: 8.0 MiB, ")


def test_digest_in_the_entity_tag_of_nexus(site: Site, smaller: Path, downloads: Path) -> None:
    path = site.offer(SMALLER, headers=[], etag=f'"{{SHA1{{{SHA1}}}}}"')
    site.origin.reset_counts()
    assert_from_disk(site, curl_http1(site.origin.url(path), downloads / "out", site.proxy), SMALLER)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("hops", [1, 2])
def test_digest_on_the_redirect_alone(site: Site, smaller: Path, downloads: Path, hops: int, scheme: Scheme) -> None:
    target = site.offer(SMALLER, headers=[])
    for hop in range(hops):
        site.origin.add(
            f"/hop{hop}",
            b"",
            redirect_to=site.origin.url(f"/hop{hop - 1}" if hop else target, scheme),
            redirect_headers=[("Digest", f"SHA={_base64(SHA1)}")] if hop == hops - 1 else [],
        )
    site.origin.reset_counts()
    url = site.origin.url(f"/hop{hops - 1}", scheme)
    result = clients.curl(url, downloads / "out", proxy=site.proxy, http2=scheme == "h2", extra=["-L"])
    assert_from_disk(site, result, SMALLER)


def test_no_digest_is_a_plain_download(site: Site, smaller: Path, downloads: Path) -> None:
    path = site.offer(SMALLER, headers=[])
    site.origin.reset_counts()
    result = curl_http1(site.origin.url(path), downloads / "out", site.proxy)
    assert (result.exit_code, result.path.read_bytes()) == (0, SMALLER)
    assert result.header("Cache-Status") == "nearfetch; fwd=miss"
    assert site.origin.body_bytes == len(SMALLER)
    assert site.delivered(path) == "origin: 8.0 MiB, nothing saved: the response names no digest"


def test_log_tells_where_it_came_from_and_what_was_saved(site: Site, smaller: Path, downloads: Path) -> None:
    path = site.offer(SMALLER)
    curl_http1(site.origin.url(path), downloads / "out", site.proxy)
    said = site.delivered(path)
    match = re.fullmatch(rf"local: 8\.0 MiB, (\d\.\d) MiB saved \((\d+) %\): from {re.escape(str(smaller))}", said)
    assert match is not None, said
    assert float(match[1]) > 6


def test_cache_status_of_nearer_caches_is_kept(site: Site, smaller: Path, downloads: Path) -> None:
    claim = ("X-Checksum-Sha1", SHA1)
    path = site.offer(SMALLER, headers=[claim, ("Cache-Status", "edge; hit; ttl=30")])
    result = curl_http1(site.origin.url(path), downloads / "out", site.proxy)
    assert result.header("Cache-Status") == f"edge; hit; ttl=30, {CANDIDATE}"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_several_downloads_on_one_connection(site: Site, smaller: Path, downloads: Path, scheme: Scheme) -> None:
    """Two hits, a small file, a miss, a hit: the client keeps its one connection all along."""
    small, missed = b"small" * 100, random_content(2 * MIB, seed=12)
    contents = [SMALLER, SMALLER, small, missed, SMALLER]
    urls = [site.origin.url(site.offer(content), scheme) for content in contents]
    paths = [downloads / f"out{number}" for number in range(len(urls))]
    extra = ["-w", "%{stderr}%{num_connects} "]
    for url, following in zip(urls, paths[1:], strict=False):
        extra += [url, "-o", str(following)]
    site.origin.reset_counts()
    result = clients.curl(urls[-1], paths[0], proxy=site.proxy, http2=scheme == "h2", extra=extra)
    assert (result.exit_code, result.stderr) == (0, "1 0 0 0 0 ")
    assert [path.read_bytes() == content for path, content in zip(paths, contents, strict=True)] == [True] * 5
    assert site.origin.body_bytes < 3 * MOST_FROM_ORIGIN + len(missed)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_several_downloads_at_once(site: Site, smaller: Path, downloads: Path, scheme: Scheme) -> None:
    """Over HTTP/2 they are streams of one connection."""
    path = site.offer(SMALLER)
    site.origin.reset_counts()
    extra = [
        "-m",
        "20",
        "-Z",
        *(argument for n in range(4) for argument in (site.origin.url(path, scheme), "-o", f"{downloads}/{n}")),
    ]
    result = clients.curl(
        site.origin.url(path, scheme), downloads / "out", proxy=site.proxy, http2=scheme == "h2", extra=extra
    )
    assert result.exit_code == 0, result.stderr
    outputs = [downloads / "out", *(downloads / str(n) for n in range(4))]
    assert [output.read_bytes() == SMALLER for output in outputs] == [True] * 5
    assert site.origin.body_bytes < 5 * MOST_FROM_ORIGIN


def test_sums_of_the_fixtures_are_those_of_hashlib() -> None:
    """What these tests put into the database is what a scan finds; otherwise they prove little."""
    found = sums_of(SMALLER)
    assert (found.sha1.value.hex(), found.sha256.value.hex(), found.length) == (SHA1, SHA256, len(SMALLER))
