"""One download: when it switches to the copy, and what becomes of it when something fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from addon import delivery as module
from addon.outcome import Kind
from addon.ports import Broken, ClientLeft, Finished, Step
from addon.proof import HEAD_SIZE, SAMPLE_SIZE, SAMPLES
from addon.search import Proof
from hashdb.records import KnownFile
from tests.addon.deliveries import Scene, fed, feed, pieces_of, play, searched, take, take_all
from tests.addon.fake_origin import FakeOrigin
from tests.addon.held import MIB, Disk, content_of, flipped, hold

CONTENT = content_of(4 * MIB + 321)
PROOF_BYTES = SAMPLES * SAMPLE_SIZE


@pytest.fixture
def record(tmp_path: Path) -> KnownFile:
    return hold(tmp_path / "a", CONTENT)


def test_the_copy_takes_over(record: KnownFile, disk: Disk) -> None:
    scene = Scene(CONTENT, [record], disk, hold_origin=True)
    assert asyncio.run(play(scene)) == (CONTENT, Finished())
    assert scene.outcome.kind is Kind.LOCAL
    assert scene.outcome.reason == f"from {record.path}"
    assert scene.outcome.from_origin == HEAD_SIZE + PROOF_BYTES
    assert scene.outcome.end == ""


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, MIB), (5, None), (MIB, 3 * MIB), (MIB + 7, 3 * MIB + 9), (2 * MIB - 1, 4 * MIB + 1), (3 * MIB, None)],
)
def test_a_range_of_the_client(record: KnownFile, disk: Disk, start: int, end: int | None) -> None:
    scene = Scene(CONTENT, [record], disk, start, end, hold_origin=True)
    assert asyncio.run(play(scene)) == (scene.wanted, Finished())
    assert scene.outcome.kind is Kind.LOCAL


@pytest.mark.parametrize(
    "switch_at", [HEAD_SIZE, HEAD_SIZE + 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 4 * MIB, len(CONTENT) - 1]
)
def test_it_switches_at_any_byte(record: KnownFile, disk: Disk, switch_at: int) -> None:
    async def run() -> bytes:
        delivery = scene.open()
        delivery.upstream_data(CONTENT[:switch_at])
        got = await take(delivery, switch_at)
        assert scene.asks.gate
        scene.asks.gate.set()
        await searched(delivery)
        delivery.upstream_data(b"what came meanwhile is not needed")
        got += await take(delivery, 1)
        assert not delivery.flowing.is_set()
        rest, last = await take_all(delivery)
        assert last == Finished()
        assert not delivery.upstream_wanted
        assert not delivery.flowing.is_set()
        await scene.all_given_back()
        return got + rest

    scene = Scene(CONTENT, [record], disk, origin=FakeOrigin(CONTENT, gate=asyncio.Event()))
    assert asyncio.run(run()) == CONTENT
    assert scene.outcome.kind is Kind.LOCAL


def test_the_client_does_not_wait_for_the_search(record: KnownFile, disk: Disk) -> None:
    """A search that is slower than the origin is stopped."""
    scene = Scene(CONTENT, [record], disk, origin=FakeOrigin(CONTENT, gate=asyncio.Event()))
    assert asyncio.run(play(scene)) == (CONTENT, Finished())
    assert (scene.outcome.kind, scene.outcome.from_origin, scene.outcome.saved) == (Kind.ORIGIN, len(CONTENT), 0)


def test_a_search_that_was_too_slow_is_named_as_the_reason(record: KnownFile, disk: Disk) -> None:
    scene = Scene(CONTENT, [record], disk, origin=FakeOrigin(CONTENT, gate=asyncio.Event()))
    asyncio.run(play(scene))
    assert scene.outcome.reason


def test_the_origin_is_held_during_the_proof(record: KnownFile, disk: Disk) -> None:
    async def run() -> None:
        delivery = scene.open()
        async with fed(delivery, pieces_of(CONTENT)):
            assert await take(delivery, HEAD_SIZE) == CONTENT[:HEAD_SIZE]
            assert not delivery.flowing.is_set()
            assert scene.asks.gate
            scene.asks.gate.set()
            rest, last = await take_all(delivery)
            assert (rest, last) == (CONTENT[HEAD_SIZE:], Finished())

    scene = Scene(CONTENT, [record], disk, origin=FakeOrigin(CONTENT, gate=asyncio.Event()), hold_origin=True)
    asyncio.run(run())
    assert scene.outcome.from_origin == HEAD_SIZE + PROOF_BYTES


def test_the_hold_ends_by_itself(record: KnownFile, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_SECONDS", 0.05)
    scene = Scene(CONTENT, [record], disk, origin=FakeOrigin(CONTENT, gate=asyncio.Event()), hold_origin=True)
    assert asyncio.run(play(scene)) == (CONTENT, Finished())
    assert scene.outcome.kind is Kind.ORIGIN


def test_a_held_origin_is_not_taken_for_gone(record: KnownFile, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_SECONDS", 0.3)
    origin = FakeOrigin(CONTENT, gate=asyncio.Event())
    scene = Scene(CONTENT, [record], disk, origin=origin, hold_origin=True, patience=0.1)
    assert asyncio.run(play(scene))[1] == Finished()


def test_an_unproven_copy_lets_the_origin_go_on(record: KnownFile, disk: Disk) -> None:
    origin = FakeOrigin(CONTENT, ignores_ranges=True)
    scene = Scene(CONTENT, [record], disk, origin=origin, hold_origin=True)
    assert asyncio.run(play(scene)) == (CONTENT, Finished())
    assert scene.outcome.kind is Kind.ORIGIN
    assert "not proven" in scene.outcome.reason


def test_no_copy_at_all(disk: Disk) -> None:
    scene = Scene(CONTENT, [], disk, hold_origin=True)
    assert asyncio.run(play(scene)) == (CONTENT, Finished())


def test_a_copy_that_differs_from_what_was_sent(record: KnownFile, disk: Disk) -> None:
    """The origin claims a file and shows samples of it, but sends another one. It passes, as it is."""

    async def run() -> bytes:
        delivery = scene.open()
        delivery.upstream_data(other[: 2 * MIB])
        got = await take(delivery, 2 * MIB)
        assert scene.asks.gate
        scene.asks.gate.set()
        await searched(delivery)
        await feed(delivery, [other[2 * MIB :]])
        rest, last = await take_all(delivery)
        assert last == Finished()
        await scene.all_given_back()
        return got + rest

    other = flipped(CONTENT, MIB + 5)
    scene = Scene(CONTENT, [record], disk, origin=FakeOrigin(CONTENT, gate=asyncio.Event()))
    assert asyncio.run(run()) == other
    assert scene.outcome.kind is Kind.ORIGIN
    assert "is not what the local copy holds" in scene.outcome.reason
    assert scene.forgotten.reasons == {}


def test_the_origin_breaks_off_before_a_copy_is_found(record: KnownFile, disk: Disk) -> None:
    """Its connection is lost, its file is not: the copy goes on where it broke."""
    scene = Scene(CONTENT, [record], disk)
    assert asyncio.run(play(scene, pieces_of(CONTENT[: MIB + 5]), "reset")) == (CONTENT, Finished())
    assert scene.outcome.kind is Kind.LOCAL


@pytest.mark.parametrize(("error", "reason"), [("reset", "reset"), (None, "sent less than it had promised")])
def test_the_origin_breaks_off_and_there_is_no_copy(disk: Disk, error: str | None, reason: str) -> None:
    scene = Scene(CONTENT, [], disk)
    got, last = asyncio.run(play(scene, pieces_of(CONTENT[:5000]), error))
    assert got == CONTENT[:5000]
    assert isinstance(last, Broken)
    assert reason in last.reason
    assert reason in scene.outcome.end


def test_an_origin_that_falls_silent(disk: Disk) -> None:
    async def run() -> None:
        delivery = scene.open()
        delivery.upstream_data(CONTENT[:5])
        got, last = await take_all(delivery)
        assert (got, last) == (CONTENT[:5], Broken("the origin sent nothing for 0 s"))

    scene = Scene(CONTENT, [], disk, patience=0.02)
    asyncio.run(run())


def test_whatever_fails_in_the_search_the_origins_bytes_pass(record: KnownFile, disk: Disk) -> None:
    origin = FakeOrigin(CONTENT, session_error=RuntimeError("inside a proxy"))
    assert asyncio.run(play(Scene(CONTENT, [record], disk, origin=origin))) == (CONTENT, Finished())


def test_certain_mode_waits_for_the_copy(record: KnownFile, disk: Disk) -> None:
    scene = Scene(CONTENT, [record], disk, proof=Proof.TRUST)
    assert asyncio.run(play(scene)) == (CONTENT, Finished())
    assert scene.outcome.delivered == len(CONTENT)
    assert scene.asks.asked == []
    assert scene.outcome.from_origin <= 2 * HEAD_SIZE


def test_certain_mode_does_not_wait_for_a_disk_that_hangs(record: KnownFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_SECONDS", 0.05)

    async def run(hanging: Disk) -> tuple[bytes, Step]:
        delivery = scene.open()
        async with fed(delivery, pieces_of(CONTENT)):
            got = await take(delivery, len(CONTENT))
            assert not hanging.gate.is_set()
            hanging.gate.set()
            _, last = await take_all(delivery)
        await scene.all_given_back()
        return got, last

    with Disk("_open_unchanged") as hanging:
        scene = Scene(CONTENT, [record], hanging, proof=Proof.TRUST, patience=5.0)
        assert asyncio.run(run(hanging)) == (CONTENT, Finished())


def test_certain_mode_without_its_copy_is_a_plain_download(record: KnownFile, disk: Disk) -> None:
    Path(record.path).unlink()
    scene = Scene(CONTENT, [record], disk, proof=Proof.TRUST)
    assert asyncio.run(play(scene)) == (CONTENT, Finished())
    assert scene.outcome.kind is Kind.ORIGIN
    assert "cannot be opened" in scene.forgotten.reasons[1]


def test_a_client_that_left_is_told_at_once(disk: Disk) -> None:
    async def run() -> None:
        delivery = scene.open()
        waiting = asyncio.create_task(delivery.next())
        await asyncio.sleep(0)
        delivery.client_left()
        last = await waiting
        assert isinstance(last, ClientLeft)
        await delivery.close(last)

    scene = Scene(CONTENT, [], disk)
    asyncio.run(run())
    assert scene.outcome.end == "the client left"
