"""Several streams of one client: what one does is not felt by the others."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.system.conftest import MIB, Site, claim, open_site, random_content
from tests.system.http2_client import Http2Client
from tests.system.processes import set_arguments


def test_a_delivery_that_ends_leaves_its_neighbour_running(site: Site) -> None:
    held, other = random_content(24 * MIB, 1), random_content(40 * MIB, 2)
    site.hold(held)
    local_path, other_path = site.offer(held), site.offer(other, headers=[])
    with Http2Client(site.origin.url(local_path, "h2"), site.proxy) as client:
        neighbour = client.get(other_path)
        assert client.read_until(lambda: neighbour.received > MIB)
        local = client.get(local_path)
        assert client.read_until(lambda: local.ended)
        assert client.read_until(lambda: neighbour.ended)
    assert local.digest.digest() == hashlib.sha256(held).digest()
    assert neighbour.digest.digest() == hashlib.sha256(other).digest()


def test_a_paused_download_stops_no_other(site: Site) -> None:
    held = random_content(24 * MIB, 3)
    unlike, small = bytes(64 * 1024) + held[64 * 1024 :], random_content(300_000, 4)
    site.hold(held)
    paused_path = site.offer(unlike, headers=claim(held))
    small_path = site.offer(small, headers=[])
    with Http2Client(site.origin.url(paused_path, "h2"), site.proxy) as client:
        before = site.origin.body_bytes
        paused = client.get(paused_path, paused=True)
        assert client.read_until(lambda: paused.received > 60_000)
        site.origin.wait_for(lambda: site.origin.body_bytes - before > 4 * MIB)
        assert not client.read_until(lambda: paused.received > 70_000, seconds=0.5)
        neighbour = client.get(small_path)
        assert client.read_until(lambda: neighbour.ended)
    assert neighbour.digest.digest() == hashlib.sha256(small).digest()


def test_a_paused_plain_download_stops_no_other_however_connections_are_opened(tmp_path: Path) -> None:
    plain, small = random_content(24 * MIB, 5), random_content(300_000, 6)
    with open_site(tmp_path, arguments=set_arguments("connection_strategy", "lazy")) as site:
        paused_path, small_path = site.offer(plain, headers=[]), site.offer(small, headers=[])
        with Http2Client(site.origin.url(paused_path, "h2"), site.proxy) as client:
            paused = client.get(paused_path, paused=True)
            assert client.read_until(lambda: paused.received > 60_000)
            site.origin.wait_for(lambda: site.origin.body_bytes > 4 * MIB)
            assert not client.read_until(lambda: paused.received > 70_000, seconds=0.5)
            neighbour = client.get(small_path)
            assert client.read_until(lambda: neighbour.ended)
    assert neighbour.digest.digest() == hashlib.sha256(small).digest()
