"""Whose redirect may say which bytes a file has."""

from __future__ import annotations

import dataclasses

import pytest

from addon.claims import Claims, Exchange

SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
OTHER_SHA1 = "0000000000000000000000000000000000000001"
FILE = "https://mirror.example/f.iso"

CURL = {"user-agent": "curl/8"}
BROWSER = {"user-agent": "Mozilla/5.0", "sec-fetch-mode": "navigate"}


def redirect(request: dict[str, str], client: str = "10.0.0.1", sha1: str = SHA1) -> Exchange:
    return Exchange(
        client=client,
        url="https://get.example/f.iso",
        path="/f.iso",
        request=request,
        status=302,
        lines=[("X-Checksum-Sha1", sha1)],
        location=FILE,
    )


def answer(request: dict[str, str], client: str = "10.0.0.1", lines: tuple[tuple[str, str], ...] = ()) -> Exchange:
    return Exchange(client=client, url=FILE, path="/f.iso", request=request, status=200, lines=lines)


def named(claims: Claims, exchange: Exchange, now: float = 1.0) -> set[str]:
    return {claim.digest.value.hex() for claim in claims.of(exchange, now)}


def test_a_program_that_follows_a_redirect_takes_its_claim_along() -> None:
    claims = Claims()
    claims.carry(redirect(CURL), 0.0)
    assert named(claims, answer(CURL)) == {SHA1}
    assert all(claim.carried for claim in claims.of(answer(CURL), 1.0))
    assert named(claims, answer(CURL), 29.0) == {SHA1}  # a download manager asks several times
    assert named(claims, answer(CURL), 31.0) == set()


@pytest.mark.parametrize("other", [{"user-agent": "wget"}, {}, BROWSER])
def test_another_program_of_the_same_machine_does_not(other: dict[str, str]) -> None:
    claims = Claims()
    claims.carry(redirect(CURL), 0.0)
    assert named(claims, answer(other)) == set()
    assert named(claims, answer(CURL, client="10.0.0.2")) == set()


BROWSERS = [
    BROWSER,
    BROWSER | {"sec-fetch-site": "none"},
    {"user-agent": "Mozilla/5.0"},  # over plain http
    {"user-agent": "Lynx", "upgrade-insecure-requests": "1"},
]


@pytest.mark.parametrize("browser", BROWSERS)
@pytest.mark.parametrize("site", ["same-origin", "same-site", "none", "cross-site"])
def test_another_hosts_redirect_says_nothing_to_a_browser(browser: dict[str, str], site: str) -> None:
    claims = Claims()
    claims.carry(redirect(browser), 0.0)
    assert named(claims, answer(browser)) == set()
    assert named(claims, answer(browser | {"sec-fetch-site": site})) == set()


@pytest.mark.parametrize("location", ["/f.iso", "https://mirror.example/f.iso", "//MIRROR.example:443/f.iso"])
def test_an_origin_may_redirect_a_browser_to_itself(location: str) -> None:
    claims = Claims()
    claims.carry(dataclasses.replace(redirect(BROWSER), url="https://mirror.example/latest", location=location), 0.0)
    assert named(claims, answer(BROWSER)) == {SHA1}


@pytest.mark.parametrize("url", ["http://mirror.example/latest", "https://mirror.example:8443/latest"])
def test_another_scheme_or_port_is_another_origin(url: str) -> None:
    claims = Claims()
    claims.carry(dataclasses.replace(redirect(BROWSER), url=url), 0.0)
    assert named(claims, answer(BROWSER)) == set()


@pytest.mark.parametrize("location", ["http://[::1", "https://mirror.example:99999999/", "\x00"])
def test_a_location_that_is_none_is_no_fault(location: str) -> None:
    claims = Claims()
    claims.carry(dataclasses.replace(redirect(BROWSER), location=location), 0.0)
    assert named(claims, answer(BROWSER)) == set()


@pytest.mark.parametrize("script", [{"sec-fetch-mode": "no-cors"}, {"sec-fetch-mode": "cors"}, {"origin": "null"}])
def test_a_redirect_of_a_script_is_not_remembered(script: dict[str, str]) -> None:
    claims = Claims()
    claims.carry(redirect(BROWSER | script), 0.0)
    assert named(claims, answer(BROWSER | {"sec-fetch-site": "none"})) == set()


def test_the_origins_own_word_wins() -> None:
    claims = Claims()
    claims.carry(redirect(CURL), 0.0)
    assert named(claims, answer(CURL, lines=(("X-Checksum-Sha1", OTHER_SHA1),))) == {OTHER_SHA1}


def test_claims_go_along_a_chain_of_redirects() -> None:
    claims = Claims()
    claims.carry(redirect(CURL), 0.0)
    onward = Exchange("10.0.0.1", FILE, "/f.iso", CURL, 302, [], location="https://far.example/f.iso")
    claims.carry(onward, 1.0)
    at_last = dataclasses.replace(answer(CURL), url="https://far.example/f.iso")
    assert named(claims, at_last, 2.0) == {SHA1}
