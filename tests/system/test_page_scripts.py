"""A page's script that names a digest gets nothing from the disk; people and their programs do."""

from pathlib import Path

import pytest

from tests.origin.server import Scheme
from tests.system import clients
from tests.system.clients import HeaderPairs
from tests.system.conftest import MIB, Site, random_content

FILE = random_content(8 * MIB, seed=51)
SCRIPTS: dict[str, HeaderPairs] = {
    "fetch": [("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "empty")],
    "mode alone": [("Sec-Fetch-Mode", "cors")],
    "no-cors": [("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")],
    "same origin": [("Sec-Fetch-Mode", "same-origin"), ("Sec-Fetch-Site", "same-origin")],
    "site alone": [("Sec-Fetch-Site", "same-origin")],
    "destination alone": [("Sec-Fetch-Dest", "video")],
    "origin alone": [("Origin", "https://page.example")],
    "opaque origin": [("Origin", "null")],
    "odd spelling": [("sEC-fETCH-mODE", "CORS")],
    "empty mode": [("Sec-Fetch-Mode", "")],
    "websocket": [("Sec-Fetch-Mode", "websocket")],
}
PEOPLE: dict[str, HeaderPairs] = {
    "program": [],
    "navigation": [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "document")],
    "typed address": [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Site", "none"), ("Sec-Fetch-User", "?1")],
}


@pytest.fixture(scope="module", autouse=True)
def held(site: Site) -> Path:
    clients.require("curl")
    return site.hold(FILE)


@pytest.mark.parametrize("scheme", ["http", "h2"])
@pytest.mark.parametrize("headers", SCRIPTS.values(), ids=SCRIPTS)
def test_script_gets_the_origins_bytes(site: Site, downloads: Path, headers: HeaderPairs, scheme: Scheme) -> None:
    path = site.offer(FILE)
    site.origin.reset_counts()
    # curl drops a field without a value unless it ends in a semicolon
    extra = [part for name, value in headers if not value for part in ("-H", f"{name};")]
    given = [(name, value) for name, value in headers if value]
    url = site.origin.url(path, scheme)
    result = clients.curl(url, downloads / "out", proxy=site.proxy, http2=scheme == "h2", headers=given, extra=extra)
    assert (result.exit_code, result.path.read_bytes() == FILE) == (0, True)
    assert result.header("Cache-Status") == "nearfetch; fwd=miss"
    assert [(record.header("Range"), record.body_bytes) for record in site.origin.requests] == [(None, len(FILE))]
    assert site.delivered(path).endswith("a page's script asked, and gets nothing from the disk")


@pytest.mark.parametrize("scheme", ["http", "h2"])
@pytest.mark.parametrize("headers", PEOPLE.values(), ids=PEOPLE)
def test_people_are_served_from_disk(site: Site, downloads: Path, headers: HeaderPairs, scheme: Scheme) -> None:
    path = site.offer(FILE)
    site.origin.reset_counts()
    url = site.origin.url(path, scheme)
    result = clients.curl(url, downloads / "out", proxy=site.proxy, http2=scheme == "h2", headers=headers)
    assert (result.exit_code, result.path.read_bytes() == FILE) == (0, True)
    assert site.delivered(path).startswith("local: ")
    assert site.origin.body_bytes < 4 * MIB


def test_script_learns_no_more_of_a_file_that_is_held(site: Site, downloads: Path) -> None:
    """Neither headers nor what the origin is asked tell a script whether the file lies on the disk."""
    other = random_content(8 * MIB, seed=52)
    seen = []
    for content in (FILE, other):
        path = site.offer(content)
        site.origin.reset_counts()
        headers = [("Sec-Fetch-Mode", "cors")]
        result = clients.curl(site.origin.url(path), downloads / "out", proxy=site.proxy, headers=headers)
        names = [name for name, _ in result.headers]
        seen.append((names, result.header("Cache-Status"), len(site.origin.requests), site.origin.body_bytes))
    assert seen[0] == seen[1]


def test_ranges_of_a_script_are_left_alone_too(site: Site, downloads: Path) -> None:
    path = site.offer(FILE)
    site.origin.reset_counts()
    headers = [("Sec-Fetch-Mode", "cors"), ("Range", f"bytes=100-{5 * MIB}")]
    result = clients.curl(site.origin.url(path), downloads / "out", proxy=site.proxy, headers=headers)
    assert (result.exit_code, result.status) == (0, 206)
    assert result.path.read_bytes() == FILE[100 : 5 * MIB + 1]
    assert site.origin.body_bytes == 5 * MIB - 99
