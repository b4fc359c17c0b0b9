"""The clients and the runner of proxies, tried on the stock proxy."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.origin import Cut, Origin
from tests.origin.server import Scheme
from tests.system import clients
from tests.system.processes import MITMDUMP, Proxy, set_arguments
from tests.system.raw_clients import RawClient, SlowHttp1Client, SlowHttp2Client, leave_at

CONTENT = random.Random(4).randbytes(8_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SCHEMES: list[Scheme] = ["http", "https", "h2"]


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as running:
        running.add("/file", CONTENT)
        yield running


@pytest.fixture(scope="module")
def proxy(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("stock")
    streaming = set_arguments("stream_large_bodies", "1m")
    with Proxy(folder, origin_ca=origin.ca_file, command=MITMDUMP, arguments=streaming) as running:
        yield running


@pytest.mark.parametrize("scheme", SCHEMES)
def test_curl(origin: Origin, proxy: Proxy, tmp_path: Path, scheme: Scheme) -> None:
    clients.require("curl")
    result = clients.curl(origin.url("/file", scheme), tmp_path / "out", proxy=proxy, http2=scheme == "h2")
    assert (result.exit_code, result.status, result.digest()) == (0, 200, SHA256)
    assert result.header("ETag") == '"v1"'


@pytest.mark.parametrize("scheme", SCHEMES)
def test_wget(origin: Origin, proxy: Proxy, tmp_path: Path, scheme: Scheme) -> None:
    clients.require("wget")
    result = clients.wget(origin.url("/file", scheme), tmp_path / "out", proxy=proxy)
    assert (result.exit_code, result.status, result.digest()) == (0, 200, SHA256)
    assert result.header("ETag") == '"v1"'


@pytest.mark.parametrize("scheme", SCHEMES)
def test_aria2c(origin: Origin, proxy: Proxy, tmp_path: Path, scheme: Scheme) -> None:
    clients.require("aria2c")
    result = clients.aria2c(origin.url("/file", scheme), tmp_path / "out", proxy=proxy, connections=4)
    assert (result.exit_code, result.digest()) == (0, SHA256)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_requests(origin: Origin, proxy: Proxy, tmp_path: Path, scheme: Scheme) -> None:
    result = clients.requests_get(origin.url("/file", scheme), tmp_path / "out", proxy=proxy)
    assert (result.exit_code, result.status, result.digest()) == (0, 200, SHA256)


@pytest.mark.parametrize(
    ("client", "scheme"), [(SlowHttp1Client, "http"), (SlowHttp1Client, "https"), (SlowHttp2Client, "h2")]
)
def test_slow_clients_get_it_all(origin: Origin, proxy: Proxy, client: type[RawClient], scheme: Scheme) -> None:
    with client(origin.url("/file", scheme), proxy=proxy, rate=40_000_000) as slow:
        slow.read()
        assert (slow.complete, slow.error, slow.status, slow.sha256) == (True, None, 200, SHA256)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_leaving_at_a_byte(origin: Origin, proxy: Proxy, scheme: Scheme) -> None:
    origin.add("/endless", bytes(100_000_000))
    origin.reset_counts()
    client = leave_at(origin.url("/endless", scheme), 12_345, proxy=proxy, how="reset")
    assert (client.received, client.sha256) == (12_345, hashlib.sha256(bytes(12_345)).hexdigest())
    origin.wait_for(lambda: origin.requests[0].ended == "peer left")


@pytest.mark.parametrize(
    ("client", "scheme"), [(SlowHttp1Client, "http"), (SlowHttp1Client, "https"), (SlowHttp2Client, "h2")]
)
def test_body_that_breaks_off_is_an_error(
    origin: Origin, proxy: Proxy, client: type[RawClient], scheme: Scheme
) -> None:
    origin.add("/cut", CONTENT, cut_at=[Cut("close", 2_000_000)])
    with client(origin.url("/cut", scheme), proxy=proxy) as slow:
        slow.read()
        assert not slow.complete
        assert slow.error is not None
        assert slow.received <= 2_000_000


def test_what_is_known_of_a_process(proxy: Proxy) -> None:
    assert proxy.running()
    assert 10_000_000 < proxy.rss() <= proxy.peak_rss()
    assert proxy.cpu_seconds() > 0
    assert proxy.open_files() > 3
    assert proxy.wait_for_log(r"listening at (\S+)")[1].startswith(proxy.host)
    with pytest.raises(TimeoutError, match="never said"):
        proxy.wait_for_log("never said", timeout=0.05)


def test_proxy_killed_and_started_again_keeps_its_authority(origin: Origin, tmp_path: Path) -> None:
    with Proxy(tmp_path / "proxy", origin_ca=origin.ca_file, command=MITMDUMP) as first:
        authority = first.ca_file.read_bytes()
        assert first.kill9() == -9
    with Proxy(tmp_path / "proxy", origin_ca=origin.ca_file, command=MITMDUMP) as second:
        assert second.ca_file.read_bytes() == authority
