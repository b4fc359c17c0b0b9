"""Which digests a response names, its own and those that the redirect to it named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
    it, and in browsers only where neither it nor the page that led to it is of another site.
    """

    def __init__(self) -> None:
        self._redirects = RedirectClaims()

    def of(self, exchange: Exchange, now: float) -> tuple[Claim, ...]:
        """What the response claims; where it says nothing, what the redirect to it claimed."""
        own = digest_headers.read(exchange.lines, status=exchange.status, path=exchange.path)
        return digest_headers.with_carried(own, self._carried(exchange, now))

    def carry(self, exchange: Exchange, now: float) -> None:
        """Keep what a redirect claims for the request that follows it."""
        if exchange.location and not is_script(exchange.request):
            claims = self.of(exchange, now)
            self._redirects.remember(_program(exchange), exchange.url, exchange.location, claims, now)

    def _carried(self, exchange: Exchange, now: float) -> tuple[Claim, ...]:
        program = _program(exchange)
        carried = self._redirects.recall(program, exchange.url, now)
        site = exchange.request.get("sec-fetch-site")
        if site is None:
            return carried
        # A browser follows at once, and once. Later requests for this URL have nothing to do with the redirect.
        self._redirects.remember(program, exchange.url, "", (), now)
        return carried if site.strip().lower() in ("same-origin", "same-site", "none") else ()


def _program(exchange: Exchange) -> str:
    return f"{exchange.client} {exchange.request.get('user-agent') or ''}"
