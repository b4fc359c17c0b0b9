"""What is carried from a redirect to its target, for whom and for how long."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addon.digest_headers import MAX_CLAIMS, Claim, with_carried
from addon.redirects import CARRY_SECONDS, MAX_CARRIED, MAX_URL_CHARS, RedirectClaims
from hashdb.digest import Algorithm, Digest

BASE = "https://download.opensuse.org/iso/Leap.iso"
TARGET = "https://ftp.gwdg.de/pub/opensuse/Leap.iso"


def claim(content: bytes) -> Claim:
    return Claim(Digest(Algorithm.SHA256, hashlib.sha256(content).digest()), "digest")


FIRST, SECOND = (claim(b"first"),), (claim(b"second"),)


def carried(base: str, location: str, url: str) -> tuple[Claim, ...]:
    redirects = RedirectClaims()
    redirects.remember("client", base, location, FIRST, 0)
    return redirects.recall("client", url, 1)


@pytest.mark.parametrize(
    ("base", "location", "url"),
    [
        (BASE, TARGET, TARGET),
        (BASE, "HTTPS://FTP.GWDG.DE/pub/opensuse/Leap.iso", TARGET),
        (BASE, "https://ftp.gwdg.de:443/pub/opensuse/Leap.iso#part", TARGET),
        (BASE, f" {TARGET}\t", TARGET),
        (BASE, "https://user:secret@ftp.gwdg.de/pub/opensuse/Leap.iso", TARGET),
        (BASE, "//ftp.gwdg.de/pub/opensuse/Leap.iso", TARGET),
        (BASE, "/mirror/Leap.iso?x=1", "https://download.opensuse.org/mirror/Leap.iso?x=1"),
        (BASE, "../Leap.iso", "https://download.opensuse.org/Leap.iso"),
        (BASE, "?again", f"{BASE}?again"),
        ("http://h/a", "http://h:80", "http://H/"),
        ("http://h/a", "http://h:8080/b", "http://h:8080/b"),
        ("http://h/a", "http://[2001:DB8::1]:80/b", "http://[2001:db8::1]/b"),
        (BASE, "https://h/My File ä.zip", "https://h/My%20File%20%C3%A4.zip"),
        (BASE, "https://h/\udce4.zip", "https://h/%E4.zip"),
    ],
)
def test_a_target_is_recognised_in_any_spelling(base: str, location: str, url: str) -> None:
    assert carried(base, location, url) == FIRST


@pytest.mark.parametrize(
    "url",
    [
        "http://ftp.gwdg.de/pub/opensuse/Leap.iso",
        "https://ftp.gwdg.de:8443/pub/opensuse/Leap.iso",
        "https://ftp.gwdg.de/pub/opensuse/leap.iso",
        "https://ftp.gwdg.de/pub/opensuse/Leap.iso?x",
        BASE,
    ],
)
def test_other_urls_get_nothing(url: str) -> None:
    assert carried(BASE, TARGET, url) == ()


def test_a_port_is_no_part_of_an_ipv6_address() -> None:
    assert carried(BASE, "http://[2001:db8::1]:8080/", "http://[2001:db8::1:8080]/") == ()


@pytest.mark.parametrize(
    "location",
    [
        "http://h:99999/",
        "http://h:port/",
        "http://[::1/",
        "http://[rubbish]/",
        "http://h\u2100/",
        "http:///path",
        "ftp://h/file",
        "javascript:alert(1)",
        "http://h/\r\nSet-Cookie: a",
        "http://h/\x00",
        "http://h/\ud800",
        "x" * 100_000,
        "http://h/" + "x" * MAX_URL_CHARS,
    ],
)
def test_a_location_that_is_no_url_is_ignored(location: str) -> None:
    redirects = RedirectClaims()
    redirects.remember("client", BASE, location, FIRST, 0)
    assert len(redirects) == 0
    assert redirects.recall("client", location, 0) == ()


def test_the_longest_url() -> None:
    longest = "http://h/".ljust(MAX_URL_CHARS, "x")
    assert carried(BASE, longest, longest) == FIRST


def test_only_the_same_client_recalls_and_may_do_so_again() -> None:
    redirects = RedirectClaims()
    redirects.remember("one", BASE, TARGET, FIRST, 0)
    assert redirects.recall("two", TARGET, 1) == ()
    assert redirects.recall("one", TARGET, 1) == FIRST
    assert redirects.recall("one", TARGET, 2) == FIRST


def test_what_is_recalled_is_marked_as_carried() -> None:
    assert FIRST[0].carried is False
    assert [claim.carried for claim in carried(BASE, TARGET, TARGET)] == [True]


def test_it_lasts_half_a_minute_from_the_redirect_on() -> None:
    redirects = RedirectClaims()
    redirects.remember("client", BASE, TARGET, FIRST, 100)
    assert redirects.recall("client", TARGET, 100 + CARRY_SECONDS) == FIRST
    assert redirects.recall("client", TARGET, 100.1 + CARRY_SECONDS) == ()
    assert len(redirects) == 0


def test_a_clock_that_goes_backwards_forgets() -> None:
    redirects = RedirectClaims()
    redirects.remember("client", BASE, TARGET, FIRST, 100)
    assert redirects.recall("client", TARGET, 50) == ()
    assert redirects.recall("client", TARGET, 101) == ()
    redirects.remember("client", BASE, TARGET, SECOND, 50)
    assert redirects.recall("client", TARGET, 60) == SECOND


def test_a_second_redirect_replaces_the_first() -> None:
    redirects = RedirectClaims()
    redirects.remember("client", BASE, TARGET, FIRST, 0)
    redirects.remember("client", "https://elsewhere.example/", TARGET, SECOND, 20)
    assert redirects.recall("client", TARGET, 45) == SECOND
    redirects.remember("client", BASE, TARGET, (), 46)
    assert redirects.recall("client", TARGET, 46) == ()


def test_a_chain_of_redirects() -> None:
    redirects = RedirectClaims()
    redirects.remember("client", BASE, "/second", FIRST, 0)
    second = "https://download.opensuse.org/second"
    sha1 = Claim(Digest(Algorithm.SHA1, bytes(20)), "x-checksum-sha1")
    redirects.remember("client", second, TARGET, with_carried((sha1,), redirects.recall("client", second, 10)), 10)
    assert redirects.recall("client", TARGET, 40) == (sha1, *FIRST)


def test_the_least_recently_used_goes_first() -> None:
    redirects = RedirectClaims()
    for number in range(MAX_CARRIED):
        redirects.remember("client", BASE, f"/{number}", FIRST, 0)
    first, second = (f"https://download.opensuse.org/{number}" for number in (0, 1))
    assert redirects.recall("client", first, 0) == FIRST
    redirects.remember("client", BASE, "/one-more", FIRST, 0)
    assert len(redirects) == MAX_CARRIED
    assert redirects.recall("client", first, 0) == FIRST
    assert redirects.recall("client", second, 0) == ()


def test_claims_are_kept_up_to_their_limit() -> None:
    redirects = RedirectClaims()
    many = [claim(bytes([number])) for number in range(MAX_CLAIMS + 1)]
    redirects.remember("client", BASE, TARGET, many, 0)
    assert redirects.recall("client", TARGET, 0) == tuple(many[:MAX_CLAIMS])


URLS = st.text() | st.text(st.sampled_from("htps:/[]@?#%.\\19 ü\ud800\x00"), max_size=40).map("http://".__add__)


@settings(deadline=None)
@given(URLS, URLS, st.floats(), st.floats())
def test_rubbish_never_raises(base: str, location: str, then: float, now: float) -> None:
    redirects = RedirectClaims()
    redirects.remember("client", base, location, FIRST, then)
    redirects.remember("client", BASE, location, FIRST, then)
    assert redirects.recall("client", location, now) in ((), FIRST)
    assert redirects.recall("client", base, now) in ((), FIRST)
