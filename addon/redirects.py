"""Claims that ride on redirects: MirrorBrain and Hugging Face name a file's digest on the 302.

They are kept for the same client's requests for the redirect's Location, for half a minute. Another site's
redirect may lie, so what is recalled is marked `carried`: the origin's own header wins over it
(`digest_headers.with_carried`), and it must never break a transfer.
"""

from __future__ import annotations

import dataclasses
import re
from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from addon.digest_headers import MAX_CLAIMS, Claim

CARRY_SECONDS: Final = 30.0
"""Seconds for which a redirect's claims are recalled."""

MAX_CARRIED: Final = 1024
"""Redirects that are remembered, over all clients; the least recently used goes first."""

MAX_URL_CHARS: Final = 8192
"""Characters of a URL; claims for a longer one are not remembered. Signed URLs of CDNs have up to 4 KB."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))


class RedirectClaims:
    """What redirects said of their targets. Takes the time as an argument, in monotonic seconds."""

    def __init__(self) -> None:
        self._carried: OrderedDict[tuple[str, str], tuple[float, tuple[Claim, ...]]] = OrderedDict()

    def __len__(self) -> int:
        """Redirects that are remembered now, expired ones among them."""
        return len(self._carried)

    def remember(self, client: str, base_url: str, location: str, claims: Iterable[Claim], now: float) -> None:
        """Keep the claims of a 3xx to `base_url` for `client`'s requests for its Location.

        They replace what was kept for that client and URL, even by nothing. In a chain of redirects, `claims`
        are `with_carried(own, recalled)`. A Location that is no http(s) URL of a sane length is ignored.
        """
        target = _target(base_url, location)
        if target is None:
            return
        self._carried.pop((client, target), None)
        kept = tuple(dataclasses.replace(claim, carried=True) for claim in islice(claims, MAX_CLAIMS))
        if kept:
            self._carried[client, target] = (now, kept)
        while len(self._carried) > MAX_CARRIED:
            self._carried.popitem(last=False)

    def recall(self, client: str, url: str, now: float) -> tuple[Claim, ...]:
        """What a redirect said of `url` to this client in the last CARRY_SECONDS.

        It can be asked again: a download manager opens several connections for one URL. Where the clock went
        backwards, the claims are forgotten, since their age is not known.
        """
        target = _target(url, "")
        if target is None or (client, target) not in self._carried:
            return ()
        key = (client, target)
        since, claims = self._carried[key]
        if not 0 <= now - since <= CARRY_SECONDS:
            del self._carried[key]
            return ()
        self._carried.move_to_end(key)
        return claims


def _target(base_url: str, location: str) -> str | None:
    """The URL that a client asks for next, in one spelling; None where that is no http(s) URL."""
    base, reference = base_url.strip(" \t"), location.strip(" \t")
    if max(len(base), len(reference)) > MAX_URL_CHARS:
        return None
    if _CONTROL.search(base) or _CONTROL.search(reference):  # urlsplit would drop some of them
        return None
    try:
        return _spelled(urlsplit(urljoin(base, reference)))
    except ValueError:  # a bad port, a broken IPv6 address, characters that no encoding has
        return None


def _spelled(url: SplitResult) -> str | None:
    """One spelling: host in lower case, no default port, no user, no fragment, all but ASCII percent-encoded.

    Clients drop and encode these when they follow a redirect. Undecodable bytes come as surrogates.
    """
    if url.scheme not in _DEFAULT_PORTS or not url.hostname:
        return None
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    port = "" if url.port in (None, _DEFAULT_PORTS[url.scheme]) else f":{url.port}"
    resource = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
    return f"{url.scheme}://{host}{port}{quote(resource, safe=_PRINTABLE, errors='surrogateescape')}"
