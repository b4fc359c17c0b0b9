"""What to do with a response, from its head and from what is held: rules only, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from addon.digest_headers import Claim
from addon.partial import is_identity
from addon.ports import Fields
from addon.ranges import Span, covered_span, parse_range
from addon.search import Proof
from hashdb.digest import Algorithm
from hashdb.records import KnownFile

MIN_CLIENT_RANGE = 1 << 20
"""Bytes; a client's range that is shorter passes untouched."""

KEYS = (Algorithm.SHA256, Algorithm.SHA1)
"""Algorithms that the hash database finds files by, the stronger first."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The head of a request and of its response."""

    method: str
    request: Fields
    status: int
    response: Fields


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user set."""

    min_size: int
    proof: Proof
    trusted: frozenset[str]
    """Origins that need not prove anything, in lower case, each as `host`, `host:port` or `scheme://host[:port]`."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A plain download, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class TryLocal:
    """A plain download, until one of these copies is proven."""

    copies: Sequence[KnownFile]
    proof: Proof


Plan = Stream | TryLocal


def eligible_span(facts: Facts, policy: Policy) -> Span | None:
    """The part of a large file that the response brings; None where Nearfetch leaves the response alone."""
    length = facts.response.get("content-length")
    # Without a length nobody could tell whether all came: a chunked response passes untouched.
    if facts.method != "GET" or not is_identity(facts.response) or length is None:
        return None
    span = covered_span(facts.status, length, facts.response.get("content-range"))
    if span is None or span.total is None or span.length == 0 or span.total < policy.min_size:
        return None
    return span if facts.status == 200 or _answers_one_range(facts.request, span) else None


def _answers_one_range(request: Fields, span: Span) -> bool:
    """Whether the 206 is the answer to the one range of enough bytes that the client asked for."""
    asked = parse_range(request.get("range") or "")
    meant = asked.resolve(span.total) if asked and span.total else None
    return (
        meant is not None
        and (meant.start, meant.end_exclusive) == (span.start, span.end)
        and span.length >= MIN_CLIENT_RANGE
    )


def is_script(request: Fields) -> bool:
    """Whether a web page's script may read the answer, and not only a person or a program of theirs.

    Browsers say so in Sec-Fetch-Mode (W3C Fetch Metadata); an Origin header on a GET says it too.
    """
    if request.get("origin") is not None:
        return True
    mode = request.get("sec-fetch-mode")
    if mode is not None:
        return mode.strip().lower() != "navigate"
    return any(request.get(name) is not None for name in ("sec-fetch-site", "sec-fetch-dest", "sec-fetch-user"))


def keys(claims: Mapping[Algorithm, Claim]) -> tuple[Claim, ...]:
    """The claims that files can be looked up by."""
    return tuple(claims[algorithm] for algorithm in KEYS if algorithm in claims)


def decide(
    facts: Facts,
    span: Span,
    claims: Mapping[Algorithm, Claim],
    copies: Iterable[KnownFile],
    proof: Proof,
) -> Plan:
    """How to deliver an eligible response. `copies`: what is held that agrees with all `claims`."""
    if not claims:
        return Stream("the response names no digest")
    if not keys(claims):
        named = ", ".join(claims)
        return Stream(f"the response names a digest ({named}) that files are not indexed by")
    fitting = [copy for copy in copies if copy.sums.length == span.total]
    if not fitting:
        return Stream(f"no local copy of {keys(claims)[0].digest}")
    if is_script(facts.request):
        return Stream("a page's script asked, and gets nothing from the disk")
    # Another site may have said it: then even a trusted origin has to show the file.
    carried = any(claim.carried for claim in keys(claims))
    return TryLocal(fitting, Proof.SAMPLES if carried else proof)


def proof_for(scheme: str, host: str, port: int, policy: Policy) -> Proof:
    """What the origin that was connected to has to show: nothing where it is trusted."""
    if policy.trusted & _names_of_origin(scheme, host.lower(), port):
        return Proof.TRUST
    return Proof.SAMPLES if policy.proof is Proof.TRUST else policy.proof


def _names_of_origin(scheme: str, host: str, port: int) -> frozenset[str]:
    bracketed = f"[{host}]" if ":" in host else host
    names = {host, bracketed, f"{bracketed}:{port}", f"{scheme}://{bracketed}:{port}"}
    if port == (443 if scheme == "https" else 80):
        names.add(f"{scheme}://{bracketed}")
    return frozenset(names)
