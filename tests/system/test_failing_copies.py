"""A local copy that fails: the client gets the right file all the same, and the record is gone."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.origin.server import Scheme
from tests.system import clients
from tests.system.conftest import MIB, Site, index_file, indexed_paths, random_content, sums_of, wait_until
from tests.system.raw_clients import RawClient, SlowHttp1Client, SlowHttp2Client

FILE = random_content(24 * MIB, seed=31)
SHA256 = hashlib.sha256(FILE).hexdigest()
SCHEMES: list[Scheme] = ["http", "https", "h2"]
CLIENTS: list[tuple[type[RawClient], Scheme]] = [
    (SlowHttp1Client, "http"),
    (SlowHttp1Client, "https"),
    (SlowHttp2Client, "h2"),
]
PLACES = {"first": 100, "second": MIB, "middle": 11 * MIB + 777, "last": len(FILE) - 1}


@pytest.fixture(autouse=True)
def nothing_held_before(site: Site) -> None:
    site.origin.rate = None
    site.forget_all()


def flip_a_bit(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))


def held_with_flipped_bit(site: Site, place: int) -> Path:
    """Its record has the fingerprint that the file has now, and the sums that it had before."""
    path = site.hold(FILE, "copy.bin")
    flip_a_bit(path, place)
    index_file(site.proxy.data_dir, path, sums_of(FILE))
    return path


def wait_until_forgotten(site: Site, path: Path) -> None:
    wait_until(lambda: str(path) not in indexed_paths(site.proxy.data_dir), "the record is gone")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_flipped_bit(site: Site, downloads: Path, place: int, scheme: Scheme) -> None:
    clients.require("curl")
    path = held_with_flipped_bit(site, place)
    url = site.origin.url(site.offer(FILE), scheme)
    result = clients.curl(url, downloads / "out", proxy=site.proxy, http2=scheme == "h2", extra=["-m", "30"])
    assert (result.exit_code, result.stderr, result.digest()) == (0, "", SHA256)
    wait_until_forgotten(site, path)


def truncate(path: Path) -> None:
    os.truncate(path, 13 * MIB + 100)


def truncate_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def rewrite_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(random_content(24 * MIB, seed=32))


def rewrite_and_grow(path: Path) -> None:
    path.write_bytes(bytes(30 * MIB))


HARMS: list[Callable[[Path], None]] = [truncate, truncate_to_nothing, rewrite_in_place, rewrite_and_grow]


def begin_from_disk(site: Site, client: RawClient, path: Path) -> None:
    """Read on until the proxy has the copy open and feeds the client from it."""
    client.read(5 * MIB)
    site.origin.wait_for(lambda: site.origin.open_connections <= 1)
    assert site.is_open(path), "the download does not come from the copy"
    assert not client.complete


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges after that"])
@pytest.mark.parametrize(("client", "scheme"), CLIENTS)
@pytest.mark.parametrize("harm", HARMS)
def test_harmed_while_it_is_served(
    site: Site, harm: Callable[[Path], None], client: type[RawClient], scheme: Scheme, ranges: bool
) -> None:
    """The origin takes over, at that byte or, where it ignores ranges, with what comes before left out."""
    copy = site.hold(FILE, "copy.bin")
    path = site.offer(FILE)
    with client(site.origin.url(path, scheme), proxy=site.proxy) as slow:
        begin_from_disk(site, slow, copy)
        harm(copy)
        site.resources[path].ranges = ranges
        slow.read()
        assert (slow.complete, slow.error, slow.sha256) == (True, None, SHA256)
    wait_until_forgotten(site, copy)
    wait_until(lambda: not site.is_open(copy), "the copy is closed")


@pytest.mark.parametrize(("client", "scheme"), CLIENTS)
def test_only_the_rest_is_fetched(site: Site, client: type[RawClient], scheme: Scheme) -> None:
    copy = site.hold(FILE, "copy.bin")
    path = site.offer(FILE)
    with client(site.origin.url(path, scheme), proxy=site.proxy) as slow:
        begin_from_disk(site, slow, copy)
        site.origin.reset_counts()
        os.truncate(copy, 20 * MIB + 5)
        slow.read()
        assert (slow.complete, slow.error, slow.sha256) == (True, None, SHA256)
    asked = [(record.header("Range"), record.body_bytes) for record in site.origin.requests]
    assert asked == [(f"bytes={20 * MIB}-{len(FILE) - 1}", 4 * MIB)]


@pytest.mark.parametrize(("client", "scheme"), CLIENTS)
def test_replaced_while_it_is_served(site: Site, client: type[RawClient], scheme: Scheme) -> None:
    """What was opened is what is served, whatever its name becomes; the origin has nothing to do."""
    copy = site.hold(FILE, "copy.bin")
    other = copy.with_name("other.bin")
    other.write_bytes(random_content(24 * MIB, seed=32))
    path = site.offer(FILE)
    with client(site.origin.url(path, scheme), proxy=site.proxy) as slow:
        begin_from_disk(site, slow, copy)
        site.origin.reset_counts()
        other.rename(copy)
        slow.read()
        assert (slow.complete, slow.error, slow.sha256) == (True, None, SHA256)
    assert (site.origin.requests, site.delivered(path)[:6]) == ([], "local:")


@pytest.mark.parametrize("scheme", ["http", "h2"])
@pytest.mark.parametrize("how", ["deleted", "a folder", "a link", "a pipe", "touched", "unreadable"])
def test_gone_before_it_is_opened(site: Site, downloads: Path, how: str, scheme: Scheme) -> None:
    clients.require("curl")
    if how == "unreadable" and os.geteuid() == 0:
        pytest.skip("the superuser may read anything")
    copy = site.hold(FILE, f"{how} {scheme}.bin")
    _spoil(copy, how)
    url = site.origin.url(site.offer(FILE), scheme)
    result = clients.curl(url, downloads / "out", proxy=site.proxy, http2=scheme == "h2")
    assert (result.exit_code, result.stderr, result.digest()) == (0, "", SHA256)
    wait_until_forgotten(site, copy)


def _spoil(copy: Path, how: str) -> None:
    if how == "touched":
        os.utime(copy)
    elif how == "unreadable":
        copy.chmod(0)
    else:
        copy.rename(copy.with_name("elsewhere.bin"))
        if how == "a folder":
            copy.mkdir()
        elif how == "a link":
            copy.symlink_to("elsewhere.bin")
        elif how == "a pipe":
            os.mkfifo(copy)


def test_another_copy_takes_its_place(site: Site, downloads: Path) -> None:
    """Of two copies the first is gone; the second serves."""
    clients.require("curl")
    second = site.hold(FILE, "second.bin")
    first = site.hold(FILE, "first.bin")
    first.unlink()
    path = site.offer(FILE)
    site.origin.reset_counts()
    result = clients.curl(site.origin.url(path), downloads / "out", proxy=site.proxy)
    assert (result.exit_code, result.digest()) == (0, SHA256)
    assert str(second) in site.delivered(path)
    assert site.origin.body_bytes < 4 * MIB


@pytest.mark.parametrize(("client", "scheme"), CLIENTS)
def test_another_file_at_the_origin_is_never_joined_on(site: Site, client: type[RawClient], scheme: Scheme) -> None:
    """The copy fails, and the origin has other bytes by then: an error, not a mixture that looks whole."""
    copy = site.hold(FILE, "copy.bin")
    path = site.offer(FILE)
    with client(site.origin.url(path, scheme), proxy=site.proxy) as slow:
        begin_from_disk(site, slow, copy)
        site.resources[path].lie_content = random_content(24 * MIB, seed=33)
        truncate(copy)
        slow.read()
        assert not slow.complete
        assert slow.error is not None
    assert "broken off: " in site.delivered(path)
