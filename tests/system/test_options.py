"""What the options do, and what is said where they make no sense."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.origin import Origin
from tests.origin.server import Scheme
from tests.system import clients
from tests.system.clients import Result
from tests.system.conftest import MIB, ProxyFactory, claim, index_file, random_content
from tests.system.processes import Proxy, Setting, run_hashdb

FILE = random_content(8 * MIB, seed=81)
LIE = FILE[: 2 * MIB] + random_content(6 * MIB, seed=82)
CANDIDATE = "nearfetch; fwd=miss; detail=candidate"
SCHEMES: list[Scheme] = ["http", "https", "h2"]
HIT = "nearfetch; hit; detail=local"


@pytest.fixture(autouse=True)
def offered(origin: Origin) -> None:
    clients.require("curl")
    origin.rate = 50e6
    origin.add("/file", FILE, headers=claim(FILE))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy that is not indexed yet."""
    path = tmp_path / "copy.bin"
    path.write_bytes(FILE)
    return path


def fetch(origin: Origin, proxy: Proxy, folder: Path, scheme: Scheme = "http", *extra: str) -> Result:
    origin.reset_counts()
    url = origin.url("/file", scheme)
    return clients.curl(url, folder / "out", proxy=proxy, http2=scheme == "h2", extra=extra)


def is_whole(result: Result) -> bool:
    return result.exit_code == 0 and result.path.read_bytes() == FILE


def test_head_proof_asks_for_no_samples(origin: Origin, proxy_factory: ProxyFactory, copy: Path) -> None:
    proxy = proxy_factory(min_size="1m", proof="head")
    index_file(proxy.data_dir, copy)
    for scheme in SCHEMES:
        result = fetch(origin, proxy, copy.parent, scheme)
        assert (is_whole(result), result.header("Cache-Status")) == (True, CANDIDATE)
        assert len(origin.requests) == 1
        assert origin.body_bytes < 4 * MIB
    origin.add("/file", FILE, headers=claim(FILE), lie_content=LIE[::-1])
    assert fetch(origin, proxy, copy.parent).path.read_bytes() == LIE[::-1]


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.1:{port}", "{scheme}://127.0.0.1:{port}"])
def test_trusted_origin_need_not_prove_anything(
    origin: Origin, proxy_factory: ProxyFactory, copy: Path, name: str
) -> None:
    addresses = [urlsplit(origin.url("", scheme)) for scheme in SCHEMES]
    trusted = [name.format(scheme=address.scheme, port=address.port) for address in addresses]
    proxy = proxy_factory(min_size="1m", proof="trust", trusted_origins=["other.example", *trusted])
    index_file(proxy.data_dir, copy)
    origin.add("/file", FILE, headers=claim(FILE), ranges=False)
    for scheme in SCHEMES:
        result = fetch(origin, proxy, copy.parent, scheme)
        assert (is_whole(result), result.header("Cache-Status")) == (True, HIT)
        assert len(origin.requests) == 1
        assert origin.body_bytes < 4 * MIB


def test_trusted_origin_whose_copy_is_gone(origin: Origin, proxy_factory: ProxyFactory, copy: Path) -> None:
    proxy = proxy_factory(min_size="1m", proof="trust", trusted_origins=["127.0.0.1"])
    index_file(proxy.data_dir, copy)
    copy.unlink()
    assert is_whole(fetch(origin, proxy, copy.parent))
    assert origin.body_bytes >= len(FILE)


NOT_THIS_ONE = ["127.0.0.1:1", "https://127.0.0.1", "0.0.1", "trusted.example"]


def test_others_have_to_prove_it(origin: Origin, proxy_factory: ProxyFactory, copy: Path) -> None:
    """A Host header with a trusted name makes no difference: it is the client's."""
    proxy = proxy_factory(min_size="1m", proof="trust", trusted_origins=NOT_THIS_ONE)
    index_file(proxy.data_dir, copy)
    origin.add("/file", FILE, headers=claim(FILE), lie_content=LIE)
    result = fetch(origin, proxy, copy.parent, "http", "-H", "Host: trusted.example")
    assert (result.exit_code, result.header("Cache-Status")) == (0, CANDIDATE)
    assert result.path.read_bytes() == LIE


REFUSED: list[tuple[dict[str, Setting], str]] = [
    ({"proof": "trust"}, "nearfetch_proof=trust needs nearfetch_trusted_origins: name the origins"),
    ({"proof": "maybe"}, "nearfetch_proof.*samples"),
    ({"min_size": "big"}, "nearfetch_min_size: 'big' is no size: write it like 10m"),
    ({"skip": "~q ("}, r"nearfetch_skip: '~q \(' is no flow filter"),
]


def refusal(proxy_factory: ProxyFactory, options: dict[str, Setting]) -> str:
    """All that a proxy says that ends at once."""
    try:
        proxy = proxy_factory(**options)  # type: ignore[arg-type]  # mypy offers them to the named ones too
    except TimeoutError as ended:  # before it listened
        return str(ended)
    assert proxy.wait() != 0
    return proxy.log


@pytest.mark.parametrize(("options", "sentence"), REFUSED, ids=[str(options) for options, _ in REFUSED])
def test_senseless_option_is_refused(proxy_factory: ProxyFactory, options: dict[str, Setting], sentence: str) -> None:
    assert re.search(sentence, refusal(proxy_factory, options))


def test_refusal_is_a_sentence_and_no_traceback(proxy_factory: ProxyFactory) -> None:
    assert "Traceback" not in refusal(proxy_factory, {"min_size": "big"})


@pytest.mark.parametrize(("skip", "skipped"), [("~d 127.0.0.1", True), ("~u /other", False)])
def test_skipped_flows_are_left_alone(
    origin: Origin, proxy_factory: ProxyFactory, copy: Path, skip: str, skipped: bool
) -> None:
    proxy = proxy_factory(min_size="1m", skip=skip)
    index_file(proxy.data_dir, copy)
    result = fetch(origin, proxy, copy.parent)
    assert (is_whole(result), result.header("Cache-Status")) == (True, None if skipped else CANDIDATE)
    assert (origin.body_bytes == len(FILE)) is skipped


def test_latency_lets_both_race(origin: Origin, proxy_factory: ProxyFactory, copy: Path) -> None:
    proxy = proxy_factory(min_size="1m", prefer="latency")
    index_file(proxy.data_dir, copy)
    for scheme in SCHEMES:
        result = fetch(origin, proxy, copy.parent, scheme)
        assert (is_whole(result), result.header("Cache-Status")) == (True, CANDIDATE)


@pytest.mark.parametrize("by", ["command", "proxy"])
def test_from_scan_to_delivery(origin: Origin, proxy_factory: ProxyFactory, copy: Path, by: str) -> None:
    """The whole way, without any help: a folder is scanned, and a download of what is in it comes from there."""
    folder = copy.parent / "scanned"
    folder.mkdir()
    copy.rename(folder / "någonting annat.bin")
    if by == "command":
        done = run_hashdb("--data-dir", copy.parent / "proxy" / "data", "scan", "--min-size", "1m", folder)
        assert done.returncode == 0, done.stderr
        proxy = proxy_factory(folder=copy.parent / "proxy", min_size="1m")
    else:
        proxy = proxy_factory(folder=copy.parent / "proxy", min_size="1m", scan_paths=[folder])
        proxy.wait_for_log("Nearfetch: indexed.* 1 hashed", timeout=30)
    result = fetch(origin, proxy, copy.parent)
    assert (is_whole(result), result.header("Cache-Status")) == (True, CANDIDATE)
    assert origin.body_bytes < 4 * MIB
    assert "någonting annat.bin" in proxy.wait_for_log("/file local: .*")[0]
