"""mitmproxy's other ways of being a proxy: in front of one origin, behind another proxy, as SOCKS server."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.origin import Origin
from tests.origin.server import Scheme
from tests.system import clients
from tests.system.conftest import (
    MIB,
    ProxyFactory,
    claim,
    index_file,
    indexed_paths,
    random_content,
    sums_of,
    wait_until,
)
from tests.system.processes import MITMDUMP, Proxy, set_arguments

FILE = random_content(16 * MIB, seed=91)
CANDIDATE = "nearfetch; fwd=miss; detail=candidate"
SCHEMES: list[Scheme] = ["http", "https", "h2"]

type Behind = Callable[..., Proxy]


@pytest.fixture(autouse=True)
def offered(origin: Origin) -> None:
    clients.require("curl")
    origin.rate = 50e6
    origin.add("/file", FILE, headers=claim(FILE))


def hold(proxy: Proxy, folder: Path) -> Path:
    copy = folder / "copy.bin"
    copy.write_bytes(FILE)
    index_file(proxy.data_dir, copy)
    return copy


def assert_from_disk(origin: Origin, proxy: Proxy, result: clients.Result, most: int = 4 * MIB) -> None:
    assert (result.exit_code, result.status, result.stderr) == (0, 200, "")
    assert result.path.read_bytes() == FILE
    assert result.header("Cache-Status") == CANDIDATE
    proxy.wait_for_log("/file local: ")
    assert origin.body_bytes < most


@pytest.mark.parametrize("scheme", SCHEMES)
def test_reverse(origin: Origin, proxy_factory: ProxyFactory, tmp_path: Path, downloads: Path, scheme: Scheme) -> None:
    proxy = proxy_factory(min_size="1m", arguments=["--mode", f"reverse:{origin.url('', scheme)}"])
    hold(proxy, tmp_path)
    protocol = "http" if scheme == "http" else "https"
    url = f"{protocol}://{proxy.host}:{proxy.port}/file"
    result = clients.curl(url, downloads / "out", ca=proxy.ca_file, http2=scheme == "h2")
    assert_from_disk(origin, proxy, result)


@pytest.fixture
def behind(proxy_factory: ProxyFactory, tmp_path: Path) -> Behind:
    """Starts a proxy that reaches origins through a stock one, whose authority it trusts."""

    def start(proof: str = "samples") -> Proxy:
        streaming = set_arguments("stream_large_bodies", "1m")
        outer = proxy_factory(folder=tmp_path / "outer", command=MITMDUMP, arguments=streaming)
        upstream = ["--mode", f"upstream:{outer.url}"]
        return proxy_factory(
            folder=tmp_path / "inner", origin_ca=outer.ca_file, min_size="1m", arguments=upstream, proof=proof
        )

    return start


def test_behind_another_proxy(origin: Origin, behind: Behind, tmp_path: Path) -> None:
    """The samples take the same way as the download. What the other proxy reads ahead is its own affair."""
    proxy = behind()
    hold(proxy, tmp_path)
    origin.rate = 10e6
    for scheme in SCHEMES:
        origin.reset_counts()
        result = clients.curl(origin.url("/file", scheme), tmp_path / "out", proxy=proxy, http2=scheme == "h2")
        assert_from_disk(origin, proxy, result, 12 * MIB)


def test_behind_another_proxy_with_a_copy_that_fails(origin: Origin, behind: Behind, tmp_path: Path) -> None:
    proxy = behind(proof="head")
    copy = hold(proxy, tmp_path)
    with copy.open("r+b") as file:
        file.seek(9 * MIB)
        file.write(b"rotten")
    for scheme in SCHEMES:
        index_file(proxy.data_dir, copy, sums_of(FILE))
        result = clients.curl(origin.url("/file", scheme), tmp_path / "out", proxy=proxy, http2=scheme == "h2")
        assert (result.exit_code, result.status, result.stderr) == (0, 200, "")
        assert result.path.read_bytes() == FILE
        assert f"bytes={9 * MIB}-{len(FILE) - 1}" in [record.header("Range") for record in origin.requests]
        origin.reset_counts()
        wait_until(lambda: indexed_paths(proxy.data_dir) == set(), "the record is gone")


def test_socks(origin: Origin, proxy_factory: ProxyFactory, tmp_path: Path) -> None:
    proxy = proxy_factory(min_size="1m", arguments=["--mode", "socks5"])
    hold(proxy, tmp_path)
    extra = ["--socks5-hostname", f"{proxy.host}:{proxy.port}"]
    for scheme in SCHEMES:
        origin.reset_counts()
        url = origin.url("/file", scheme)
        result = clients.curl(url, tmp_path / "out", ca=proxy.ca_file, http2=scheme == "h2", extra=extra)
        assert_from_disk(origin, proxy, result)
