"""What people are told of a download."""

from __future__ import annotations

import pytest

from addon.outcome import Kind, Outcome, Totals

MIB = 1 << 20


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (
            Outcome(Kind.LOCAL, 64 * MIB, 64 * MIB, 192 << 10, "from /a"),
            "local: 64.0 MiB, 63.8 MiB saved (99 %): from /a",
        ),
        (
            Outcome(Kind.ORIGIN, MIB, MIB, MIB, "the response names no digest"),
            "origin: 1.0 MiB, nothing saved: the response names no digest",
        ),
        (
            Outcome(Kind.LOCAL, 10 * MIB, 4 * MIB, MIB, "from /a", "the client left"),
            "local: 4.0 MiB of 10.0 MiB, the client left, 3.0 MiB saved (75 %): from /a",
        ),
        (
            Outcome(Kind.ORIGIN, 10 * MIB, 0, 0, "x", "broken off: reset"),
            "origin: 0 B of 10.0 MiB, broken off: reset, nothing saved: x",
        ),
        (Outcome(Kind.LOCAL, 0, 0, 0, "from /empty"), "local: 0 B, nothing saved: from /empty"),
    ],
)
def test_sentences(outcome: Outcome, expected: str) -> None:
    assert outcome.sentence() == expected


@pytest.mark.parametrize(("delivered", "from_origin", "saved"), [(10, 4, 6), (10, 10, 0), (10, 14, 0), (0, 0, 0)])
def test_nothing_is_saved_where_the_origin_sent_more(delivered: int, from_origin: int, saved: int) -> None:
    assert Outcome(delivered=delivered, from_origin=from_origin).saved == saved


def test_totals() -> None:
    totals = Totals()
    assert totals.deliveries == {Kind.LOCAL: 0, Kind.ORIGIN: 0}
    totals.add(Outcome(Kind.LOCAL, 10, 10, 3))
    totals.add(Outcome(Kind.ORIGIN, 20, 5, 7, end="the client left"))
    totals.add(Outcome(Kind.LOCAL, 10, 10, 1))
    assert totals.deliveries == {Kind.LOCAL: 2, Kind.ORIGIN: 1}
    assert (totals.delivered, totals.saved) == (25, 16)
    assert Totals().deliveries[Kind.LOCAL] == 0, "each has counts of its own"
