"""Memory is bounded by constants: not by a file's size, nor by how slowly a client reads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hashdb.digest import ContentSums
from tests.origin import Origin
from tests.system.conftest import MIB, ProxyFactory, index_file, sums_of
from tests.system.processes import Proxy
from tests.system.raw_clients import SlowHttp1Client, SlowHttp2Client

MOST_MEMORY = 200_000_000


def sparse(path: Path, size: int) -> ContentSums:
    """A file of zeros that takes no room; its sums."""
    with path.open("wb") as file:
        file.truncate(size)
    return sums_of(path)


def offer(origin: Origin, proxy: Proxy, path: Path, size: int) -> None:
    sums = sparse(path, size)
    index_file(proxy.data_dir, path, sums)
    origin.add("/large", path, headers=[("X-Checksum-Sha1", sums.sha1.value.hex())])
    origin.rate = 50e6


def read_all(origin: Origin, proxy: Proxy) -> bool:
    with SlowHttp1Client(origin.url("/large"), proxy=proxy) as fast:
        fast.read()
        return fast.complete


def memory_beside_a_slow_client(origin: Origin, proxy: Proxy, size: int, slow_bytes: int) -> int:
    """The proxy's peak, after four fast clients had all of it while a slow one had `slow_bytes`."""
    url = origin.url("/large", "h2")
    with SlowHttp2Client(url, proxy=proxy, rate=2e6) as slow, ThreadPoolExecutor(4) as threads:
        jobs = [threads.submit(read_all, origin, proxy) for _ in range(4)]
        slow.read(slow_bytes)
        assert all(job.result() for job in jobs)
        assert not slow.complete
        assert slow.error is None
    assert origin.body_bytes < 5 * 4 * MIB < size, "they were served from disk"
    return proxy.peak_rss()


def test_slow_client_beside_fast_ones(origin: Origin, proxy_factory: ProxyFactory, tmp_path: Path) -> None:
    proxy = proxy_factory()
    offer(origin, proxy, tmp_path / "zeros.bin", 256 * MIB)
    assert memory_beside_a_slow_client(origin, proxy, 256 * MIB, 4_000_000) < MOST_MEMORY


@pytest.mark.soak
def test_slow_client_beside_fast_ones_with_four_gibibytes(
    origin: Origin, proxy_factory: ProxyFactory, tmp_path: Path
) -> None:
    proxy = proxy_factory()
    offer(origin, proxy, tmp_path / "zeros.bin", 4096 * MIB)
    assert memory_beside_a_slow_client(origin, proxy, 4096 * MIB, 120_000_000) < MOST_MEMORY


def test_many_that_read_nothing(origin: Origin, proxy_factory: ProxyFactory, tmp_path: Path) -> None:
    """Sixteen paused videos."""
    proxy = proxy_factory()
    offer(origin, proxy, tmp_path / "zeros.bin", 256 * MIB)
    url = origin.url("/large", "h2")
    paused = [SlowHttp2Client(url, proxy=proxy) for _ in range(16)]
    for client in paused:
        client.read(MIB)
    assert read_all(origin, proxy)
    assert proxy.peak_rss() < MOST_MEMORY + 16 * 5 * MIB
    for client in paused:
        client.leave("close")


def test_paused_download_holds_up_no_other(origin: Origin, proxy_factory: ProxyFactory, tmp_path: Path) -> None:
    """Two streams of one connection: one is not proven and not read, the other one goes on."""
    proxy = proxy_factory()
    offer(origin, proxy, tmp_path / "zeros.bin", 64 * MIB)
    resource = origin.add("/unproven", tmp_path / "zeros.bin", headers=[], ranges=False)
    sums = sums_of(tmp_path / "zeros.bin")
    resource.headers = [("X-Checksum-Sha1", sums.sha1.value.hex())]
    origin.add("/small", b"x" * 100_000)
    with SlowHttp2Client(origin.url("/unproven", "h2"), proxy=proxy, timeout=10) as client:
        client.read(200_000)
        client.again("/small")
        client.read()
        assert (client.error, client.complete, client.received) == (None, True, 100_000)


def memory_of_a_plain_download(origin: Origin, proxy: Proxy, path: Path, size: int, slow_bytes: int) -> int:
    """The proxy's peak while a client with a window of 64 KiB takes so much of what has no copy."""
    sparse(path, size)
    origin.add("/plain", path)
    with SlowHttp2Client(origin.url("/plain", "h2"), proxy=proxy, rate=2e6) as slow:
        slow.read(slow_bytes)
        assert slow.error is None
    return proxy.peak_rss()


def test_plain_download_of_a_slow_client(origin: Origin, proxy_factory: ProxyFactory, tmp_path: Path) -> None:
    proxy = proxy_factory()
    assert memory_of_a_plain_download(origin, proxy, tmp_path / "zeros.bin", 512 * MIB, 4_000_000) < MOST_MEMORY


@pytest.mark.soak
def test_plain_download_of_three_gibibytes(origin: Origin, proxy_factory: ProxyFactory, tmp_path: Path) -> None:
    proxy = proxy_factory()
    assert memory_of_a_plain_download(origin, proxy, tmp_path / "zeros.bin", 3072 * MIB, 120_000_000) < MOST_MEMORY
