"""Which origins are trusted, by the names that the user wrote."""

from __future__ import annotations

import pytest

from addon.plan import Policy, proof_for
from addon.search import Proof


def proof(scheme: str, host: str, port: int, *trusted: str, otherwise: Proof = Proof.SAMPLES) -> Proof:
    return proof_for(scheme, host, port, Policy(0, otherwise, frozenset(trusted)))


@pytest.mark.parametrize(
    ("origin", "trusted"),
    [
        (("https", "a.example", 443), "a.example"),
        (("http", "a.example", 8080), "a.example"),
        (("https", "A.Example", 443), "a.example"),
        (("https", "a.example", 443), "a.example:443"),
        (("http", "a.example", 8080), "a.example:8080"),
        (("https", "a.example", 443), "https://a.example"),
        (("http", "a.example", 80), "http://a.example"),
        (("https", "a.example", 443), "https://a.example:443"),
        (("http", "a.example", 8080), "http://a.example:8080"),
        (("http", "::1", 80), "::1"),
        (("http", "::1", 80), "[::1]"),
        (("http", "::1", 8080), "[::1]:8080"),
        (("https", "::1", 443), "https://[::1]"),
        (("https", "::1", 8443), "https://[::1]:8443"),
        (("https", "2001:DB8::1", 443), "[2001:db8::1]"),
        (("http", "127.0.0.1", 8000), "127.0.0.1:8000"),
    ],
)
def test_trusted(origin: tuple[str, str, int], trusted: str) -> None:
    assert proof(*origin, trusted) is Proof.TRUST
    assert proof(*origin, "elsewhere.example", trusted) is Proof.TRUST


@pytest.mark.parametrize(
    ("origin", "trusted"),
    [
        (("https", "a.example", 443), "example"),
        (("https", "a.example", 443), "b.a.example"),
        (("https", "b.a.example", 443), "a.example"),
        (("https", "a.example.evil", 443), "a.example"),
        (("https", "a.example", 8443), "a.example:443"),
        (("https", "a.example", 8443), "https://a.example"),
        (("http", "a.example", 80), "https://a.example"),
        (("http", "a.example", 443), "https://a.example:443"),
        (("http", "a.example", 443), "http://a.example"),
        (("https", "a.example", 80), "https://a.example"),
        (("https", "a.example", 443), ""),
        (("https", "a.example", 443), "*"),
        (("http", "::1", 8080), "[::1]:80"),
        (("http", "::1", 8080), "::1:8080"),
        (("http", "::1:8080", 80), "[::1]:8080"),
    ],
)
def test_not_trusted(origin: tuple[str, str, int], trusted: str) -> None:
    assert proof(*origin, trusted) is Proof.SAMPLES


@pytest.mark.parametrize(
    ("set_by_user", "of_others"),
    [(Proof.SAMPLES, Proof.SAMPLES), (Proof.HEAD, Proof.HEAD), (Proof.TRUST, Proof.SAMPLES)],
)
def test_trust_is_for_the_named_alone(set_by_user: Proof, of_others: Proof) -> None:
    assert proof("https", "b.example", 443, "a.example", otherwise=set_by_user) is of_others
    assert proof("https", "a.example", 443, "a.example", otherwise=set_by_user) is Proof.TRUST
    assert proof("https", "a.example", 443, otherwise=set_by_user) is of_others
