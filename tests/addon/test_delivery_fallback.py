"""A copy that turns out bad in the middle of a download: the origin goes on at that byte, or the body is broken."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

from addon import fallback
from addon.ports import Broken, Finished
from addon.proof import HEAD_SIZE
from addon.search import Proof
from hashdb.records import KnownFile
from tests.addon.deliveries import Scene, play
from tests.addon.fake_origin import FakeOrigin
from tests.addon.held import MIB, Disk, content_of, flipped, hold

CONTENT = content_of(4 * MIB + 321)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture
def rotten(tmp_path: Path) -> Callable[[int], KnownFile]:
    """Makes a copy that has a flipped bit here."""
    return lambda place: hold(tmp_path / f"rotten-{place}", CONTENT, on_disk=flipped(CONTENT, place))


@pytest.mark.parametrize("place", [0, MIB, 2 * MIB + 9, 4 * MIB + 320])
@pytest.mark.parametrize("ignores_ranges", [False, True])
def test_a_bad_block_sends_it_back_to_the_origin(
    rotten: Callable[[int], KnownFile], disk: Disk, place: int, ignores_ranges: bool
) -> None:
    bad = rotten(place)
    origin = FakeOrigin(CONTENT, ignores_ranges=ignores_ranges)
    scene = Scene(CONTENT, [bad], disk, origin=origin, proof=Proof.TRUST)
    assert asyncio.run(play(scene)) == (CONTENT, Finished())
    assert "changed after byte" in scene.forgotten.reasons[1]
    from_there = origin.asked[-1]["range"]
    assert from_there.startswith(f"bytes={place // MIB * MIB}-")
    refetched = len(CONTENT) - (0 if ignores_ranges else place // MIB * MIB)
    assert refetched <= scene.outcome.from_origin <= refetched + 2 * HEAD_SIZE


@pytest.mark.parametrize("tries", [1, 2])
def test_the_origin_is_asked_again_when_it_fails(rotten: Callable[[int], KnownFile], disk: Disk, tries: int) -> None:
    origin = FakeOrigin(CONTENT, breaks_after=deque([MIB + 5] * tries))
    scene = Scene(CONTENT, [rotten(MIB)], disk, origin=origin, proof=Proof.TRUST)
    assert asyncio.run(play(scene)) == (CONTENT, Finished())
    starts = [asked["range"] for asked in origin.asked]
    assert starts == [f"bytes={(1 + number) * MIB}-{len(CONTENT) - 1}" for number in range(tries + 1)]


FAULTS: dict[str, Callable[[FakeOrigin], object]] = {
    "unreachable": lambda origin: setattr(origin, "refuses", True),
    "busy": lambda origin: setattr(origin, "status", 503),
    "gone": lambda origin: setattr(origin, "status", 416),
    "another file": lambda origin: setattr(origin, "content", CONTENT[:-1]),
    "another range": lambda origin: setattr(origin, "shifted_by", 1),
    "encoded": lambda origin: setattr(origin, "encoding", "br"),
    "other bytes": lambda origin: setattr(origin, "content", flipped(CONTENT, 3 * MIB - 1)),
    "always breaks off": lambda origin: setattr(origin, "breaks_after", deque([5] * 9)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_where_the_origin_fails_too_the_body_is_broken(
    rotten: Callable[[int], KnownFile], disk: Disk, fault: str
) -> None:
    origin = FakeOrigin(CONTENT)
    FAULTS[fault](origin)
    got, last = asyncio.run(play(scene := Scene(CONTENT, [rotten(2 * MIB)], disk, origin=origin, proof=Proof.TRUST)))
    assert isinstance(last, Broken)
    assert "after the local copy failed" in last.reason
    assert got == CONTENT[: 2 * MIB]
    assert scene.outcome.end.startswith("broken off: ")
    assert len(origin.asked) == (3 if fault in ("unreachable", "busy", "always breaks off") else 1)


def test_an_origin_that_stalls_during_the_refetch(rotten: Callable[[int], KnownFile], disk: Disk) -> None:
    origin = FakeOrigin(CONTENT, gate=asyncio.Event())
    scene = Scene(CONTENT, [rotten(0)], disk, origin=origin, proof=Proof.TRUST, patience=0.05)
    got, last = asyncio.run(play(scene))
    assert got == b""
    assert isinstance(last, Broken)


def test_an_origin_that_repeats_all_of_it_slowly_is_not_gone(rotten: Callable[[int], KnownFile], disk: Disk) -> None:
    origin = FakeOrigin(CONTENT, ignores_ranges=True, pace=0.02)
    scene = Scene(CONTENT, [rotten(3 * MIB)], disk, origin=origin, proof=Proof.TRUST, patience=0.4)
    assert asyncio.run(play(scene))[1] == Finished()
