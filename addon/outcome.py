"""What became of a download, for people: the log, `flow.comment` and the totals."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from hashdb.sizes import format_size


class Kind(StrEnum):
    """How a download was delivered."""

    LOCAL = "local"
    ORIGIN = "origin"


@dataclass(slots=True)
class Outcome:
    """The account of one delivery. All sizes in bytes."""

    kind: Kind = Kind.ORIGIN
    wanted: int = 0
    """What the response promised."""
    delivered: int = 0
    """What the client was given."""
    from_origin: int = 0
    """What the origin sent for it, proof included."""
    reason: str = ""
    """Where the bytes lay, or why nothing was saved."""
    end: str = ""
    """What ended it before it was complete; empty where it was completed."""

    @property
    def saved(self) -> int:
        """What the origin did not have to send."""
        return max(0, self.delivered - self.from_origin)

    def sentence(self) -> str:
        """One line for the log and for `flow.comment`."""
        size = format_size(self.wanted)
        if self.end:
            size = f"{format_size(self.delivered)} of {size}, {self.end}"
        saved = "nothing saved"
        if self.saved:
            share = 100 * self.saved // max(1, self.delivered)
            saved = f"{format_size(self.saved)} saved ({share} %)"
        return f"{self.kind}: {size}, {saved}: {self.reason}"


@dataclass(slots=True)
class Totals:
    """What all deliveries since the start came to."""

    deliveries: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    delivered: int = 0
    saved: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.deliveries[outcome.kind] += 1
        self.delivered += outcome.delivered
        self.saved += outcome.saved
