"""Which digests a response names, its own and those that the redirect to it named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from addon import digest_headers
from addon.digest_headers import Claim
from addon.plan import is_script
from addon.ports import Fields
from addon.redirects import RedirectClaims


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the head of its response. Pure data, whatever proxy it came from."""

    client: str
    """The client's address."""
    url: str
    path: str
    request: Fields
    status: int
    lines: Iterable[tuple[str, str]]
    """The response's header lines."""
    location: str | None = None
    """Where the response redirects to."""


class Claims:
    """Reads claims, and carries those of redirects. Times are monotonic seconds.

    Whoever can make a browser follow a redirect of theirs to somebody else's file must not thereby say which bytes
    that file has: samples do not find a small difference. So a redirect counts only for the program that followed
    it, and for a browser only where an origin redirects to itself.
    """

    def __init__(self) -> None:
        self._redirects = RedirectClaims()

    def of(self, exchange: Exchange, now: float) -> tuple[Claim, ...]:
        """What the response claims; where it says nothing, what the redirect to it claimed."""
        own = digest_headers.read(exchange.lines, status=exchange.status, path=exchange.path)
        return digest_headers.with_carried(own, self._redirects.recall(_program(exchange), exchange.url, now))

    def carry(self, exchange: Exchange, now: float) -> None:
        """Keep what a redirect claims for the requests that follow it."""
        location = exchange.location
        if not location or is_script(exchange.request):
            return
        if is_browser(exchange.request) and not _same_origin(exchange.url, location):
            return
        self._redirects.remember(_program(exchange), exchange.url, location, self.of(exchange, now), now)


def is_browser(request: Fields) -> bool:
    """Whether links of strangers may have led to this request. Browsers send no Sec-Fetch fields to plain http."""
    agent = (request.get("user-agent") or "").lstrip().lower()
    own = ("sec-fetch-mode", "sec-fetch-site", "sec-fetch-dest", "upgrade-insecure-requests")
    return agent.startswith("mozilla/") or any(request.get(name) is not None for name in own)


def _same_origin(url: str, location: str) -> bool:
    """Whether scheme, host and port stay (RFC 6454): plain http must not vouch for https, nor one port for another."""
    try:
        return _origin(url) == _origin(urljoin(url, location))
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _program(exchange: Exchange) -> str:
    return f"{exchange.client} {exchange.request.get('user-agent') or ''}"
