"""Ranges that clients ask for: large single ones come from disk, everything else passes as it is."""

import gzip
from pathlib import Path

import pytest

from tests.origin.server import Scheme
from tests.system import clients
from tests.system.clients import Result
from tests.system.conftest import MIB, Site, claim, index_file, random_content, sums_of

FILE = random_content(32 * MIB, seed=61)
SIZE = len(FILE)
CANDIDATE = "nearfetch; fwd=miss; detail=candidate"
SCHEMES: list[Scheme] = ["http", "https", "h2"]
LARGE = {
    f"0-{SIZE - 1}": (0, SIZE),
    f"0-{2 * SIZE}": (0, SIZE),
    f"{MIB}-{20 * MIB - 1}": (MIB, 20 * MIB),
    f"{3 * MIB + 7}-{29 * MIB + 12345}": (3 * MIB + 7, 29 * MIB + 12346),
    f"{MIB - 1}-": (MIB - 1, SIZE),
    f"{SIZE - MIB}-": (SIZE - MIB, SIZE),
    f"-{MIB}": (SIZE - MIB, SIZE),
    f"-{10 * MIB + 3}": (SIZE - 10 * MIB - 3, SIZE),
    f"-{SIZE + 1}": (0, SIZE),
    f"12345-{12345 + MIB - 1}": (12345, 12345 + MIB),
}
SMALL = {
    "0-0": (0, 1),
    f"0-{MIB - 2}": (0, MIB - 1),
    f"-{MIB - 1}": (SIZE - MIB + 1, SIZE),
    f"{SIZE - MIB + 1}-": (SIZE - MIB + 1, SIZE),
    "-1": (SIZE - 1, SIZE),
}


@pytest.fixture(scope="module", autouse=True)
def held(site: Site) -> Path:
    clients.require("curl")
    return site.hold(FILE)


@pytest.fixture(scope="module")
def path(site: Site) -> str:
    return site.offer(FILE)


def fetch(site: Site, path: str, downloads: Path, scheme: Scheme = "http", *extra: str) -> Result:
    site.origin.reset_counts()
    return clients.curl(
        site.origin.url(path, scheme), downloads / "out", proxy=site.proxy, http2=scheme == "h2", extra=extra
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("wanted", LARGE)
def test_large_range_comes_from_disk(site: Site, downloads: Path, wanted: str, scheme: Scheme) -> None:
    path = site.offer(FILE)
    start, end = LARGE[wanted]
    result = fetch(site, path, downloads, scheme, "--range", wanted)
    assert (result.exit_code, result.status, result.header("Cache-Status")) == (0, 206, CANDIDATE)
    assert result.header("Content-Range") == f"bytes {start}-{end - 1}/{SIZE}"
    assert result.path.read_bytes() == FILE[start:end]
    assert site.delivered(path).startswith("local: ")
    assert site.origin.body_bytes < 4 * MIB


@pytest.mark.parametrize("scheme", ["http", "h2"])
@pytest.mark.parametrize("wanted", SMALL)
def test_small_range_passes(site: Site, path: str, downloads: Path, wanted: str, scheme: Scheme) -> None:
    start, end = SMALL[wanted]
    result = fetch(site, path, downloads, scheme, "--range", wanted)
    assert (result.exit_code, result.status, result.header("Cache-Status")) == (0, 206, None)
    assert result.path.read_bytes() == FILE[start:end]
    assert [record.header("Range") for record in site.origin.requests] == [f"bytes={wanted}"]


@pytest.mark.parametrize("wanted", ["0-1999999,4000000-9999999", "0-,5000000-"])
def test_several_ranges_are_not_ours(site: Site, path: str, downloads: Path, wanted: str) -> None:
    """This origin ignores them and sends the whole, which then comes from disk: right in both cases."""
    result = fetch(site, path, downloads, "http", "--range", wanted)
    assert (result.exit_code, result.status) == (0, 200)
    assert result.path.read_bytes() == FILE


def test_range_that_the_file_does_not_have(site: Site, path: str, downloads: Path) -> None:
    result = fetch(site, path, downloads, "http", "-H", f"Range: bytes={SIZE}-")
    assert (result.exit_code, result.status, result.header("Cache-Status")) == (0, 416, None)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_head_passes(site: Site, path: str, downloads: Path, scheme: Scheme) -> None:
    result = fetch(site, path, downloads, scheme, "--head")
    assert (result.exit_code, result.status, result.header("Cache-Status")) == (0, 200, None)
    assert result.header("Content-Length") == str(SIZE)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_not_modified_passes(site: Site, path: str, downloads: Path, scheme: Scheme) -> None:
    result = fetch(site, path, downloads, scheme, "-H", 'If-None-Match: "v1"')
    assert (result.exit_code, result.status, result.header("Cache-Status")) == (0, 304, None)
    assert [record.body_bytes for record in site.origin.requests] == [0]


@pytest.mark.parametrize(("validator", "status"), [('"v1"', 206), ('"older"', 200)])
def test_if_range_is_the_origins_to_judge(site: Site, path: str, downloads: Path, validator: str, status: int) -> None:
    arguments = ["--range", f"{5 * MIB}-", "-H", f"If-Range: {validator}"]
    result = fetch(site, path, downloads, "http", *arguments)
    assert (result.exit_code, result.status, result.header("Cache-Status")) == (0, status, CANDIDATE)
    assert result.path.read_bytes() == (FILE[5 * MIB :] if status == 206 else FILE)
    assert site.origin.body_bytes < 4 * MIB


@pytest.mark.parametrize("scheme", SCHEMES)
def test_encoded_response_passes(site: Site, downloads: Path, scheme: Scheme) -> None:
    """The digest of an encoded response is not that of the file, and neither is its length."""
    packed = gzip.compress(FILE[: 4 * MIB], compresslevel=1)
    index_file(site.proxy.data_dir, site.hold(packed, "packed.bin"), sums_of(packed))
    path = site.offer(packed, content_encoding="gzip")
    result = fetch(site, path, downloads, scheme)
    assert (result.exit_code, result.status, result.header("Cache-Status")) == (0, 200, None)
    assert result.path.read_bytes() == packed
    assert len(site.origin.requests) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_response_without_length_passes(site: Site, downloads: Path, scheme: Scheme) -> None:
    site.origin.rate = None
    path = site.offer(FILE, chunked=True)
    result = fetch(site, path, downloads, scheme)
    assert (result.exit_code, result.status, result.header("Cache-Status")) == (0, 200, None)
    assert result.path.read_bytes() == FILE
    assert len(site.origin.requests) == 1
    site.origin.rate = 50e6


def test_http10_passes_or_is_served(site: Site, downloads: Path) -> None:
    path = site.offer(FILE, http10=True)
    result = fetch(site, path, downloads)
    assert (result.exit_code, result.path.read_bytes() == FILE) == (0, True)


@pytest.mark.parametrize(("size", "ours"), [(MIB - 1, False), (MIB, True)])
def test_smaller_than_the_least_size_passes(site: Site, downloads: Path, size: int, ours: bool) -> None:
    content = FILE[:size]
    site.hold(content, f"{size}.bin")
    path = site.offer(content)
    result = fetch(site, path, downloads)
    assert (result.exit_code, result.path.read_bytes() == content) == (0, True)
    assert result.header("Cache-Status") == (CANDIDATE if ours else None)


@pytest.mark.parametrize("arguments", [["-X", "POST", "--data", "x"], ["-X", "PUT", "--data", "x"]])
def test_other_methods_pass(site: Site, path: str, downloads: Path, arguments: list[str]) -> None:
    result = fetch(site, path, downloads, "http", *arguments)
    assert (result.exit_code, result.status, result.header("Cache-Status")) == (0, 405, None)


def test_wget_goes_on_with_a_file_from_disk(site: Site, path: str, downloads: Path) -> None:
    clients.require("wget")
    out = downloads / "out"
    out.write_bytes(FILE[: 7 * MIB + 99])
    site.origin.reset_counts()
    result = clients.wget(site.origin.url(path), out, proxy=site.proxy, extra=["-c"])
    assert (result.exit_code, result.status, out.read_bytes() == FILE) == (0, 206, True)
    assert site.origin.body_bytes < 4 * MIB


@pytest.mark.parametrize("place", [5 * MIB, 31 * MIB])
def test_copy_that_fails_within_a_range(site: Site, downloads: Path, place: int) -> None:
    content = FILE[:-1] + b"!"
    copy = site.hold(content, "failing.bin")
    with copy.open("r+b") as file:
        file.seek(place)
        file.write(b"rotten")
    index_file(site.proxy.data_dir, copy, sums_of(content))
    path = site.offer(content, headers=claim(content))
    result = fetch(site, path, downloads, "http", "--range", f"{4 * MIB + 5}-")
    assert (result.exit_code, result.status) == (0, 206)
    assert result.path.read_bytes() == content[4 * MIB + 5 :]
