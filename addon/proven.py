"""Proofs that were given a moment ago, so that a client's many ranges of one file do not ask for it each time."""

from __future__ import annotations

from collections import OrderedDict

from hashdb.digest import Digest

REMEMBERED_SECONDS = 60.0
"""How long a proof holds."""

MAX_REMEMBERED = 1024
"""Proofs that are remembered; the oldest goes first."""

type Key = tuple[str, str, str, str]


class Proven:
    """Which origin has shown, on which client's behalf, that it holds which content. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._since: OrderedDict[Key, float] = OrderedDict()

    def __len__(self) -> int:
        """Proofs that are remembered, expired ones among them."""
        return len(self._since)

    def remember(self, client: str, url: str, etag: str, content: Digest, now: float) -> None:
        """The origin proved it, with its answers for this URL and this strong entity tag."""
        key = (client, url, etag, str(content))
        self._since.pop(key, None)
        self._since[key] = now
        while len(self._since) > MAX_REMEMBERED:
            self._since.popitem(last=False)

    def holds(self, client: str, url: str, etag: str, content: Digest, now: float) -> bool:
        """Whether that was less than REMEMBERED_SECONDS ago; a clock that went backwards says no."""
        since = self._since.get((client, url, etag, str(content)))
        return since is not None and 0 <= now - since < REMEMBERED_SECONDS
