"""Clients that leave, at each step of a delivery: everything is given back, and nothing is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from addon.delivery import Delivery
from addon.ports import Block, Broken, ClientLeft, Step
from addon.proof import HEAD_SIZE
from addon.search import Proof
from hashdb.records import KnownFile
from tests.addon.deliveries import Scene, searched, take
from tests.addon.fake_origin import FakeOrigin
from tests.addon.held import MIB, Disk, content_of, flipped, hold, until

CONTENT = content_of(4 * MIB + 321)
ALL = len(CONTENT)


@pytest.fixture
def record(tmp_path: Path) -> KnownFile:
    return hold(tmp_path / "a", CONTENT)


async def leave(scene: Scene, delivery: Delivery) -> Step:
    """What mitmproxy does when a client is gone."""
    delivery.client_left()
    last = await delivery.next()
    while isinstance(last, Block):
        last = await delivery.next()
    await delivery.close(last)
    await scene.all_given_back()
    return last


async def at_once(scene: Scene, delivery: Delivery) -> None:
    """Before the search has begun."""


async def in_the_head(scene: Scene, delivery: Delivery) -> None:
    delivery.upstream_data(CONTENT[:5])
    await take(delivery, 5)


async def in_the_samples(scene: Scene, delivery: Delivery) -> None:
    scene.asks.gate = asyncio.Event()
    delivery.upstream_data(CONTENT[:HEAD_SIZE])
    await take(delivery, HEAD_SIZE)
    await until(lambda: scene.asks.asked)


async def after_the_search(scene: Scene, delivery: Delivery) -> None:
    """The copy is found, and nobody has taken it yet."""
    delivery.upstream_data(CONTENT[:HEAD_SIZE])
    await searched(delivery)


async def in_the_copy(scene: Scene, delivery: Delivery) -> None:
    await after_the_search(scene, delivery)
    await take(delivery, 3 * MIB)


async def after_all_of_it(scene: Scene, delivery: Delivery) -> None:
    await after_the_search(scene, delivery)
    await take(delivery, ALL)


async def after_the_origin_failed(scene: Scene, delivery: Delivery) -> None:
    await in_the_samples(scene, delivery)
    delivery.upstream_failed("reset")


STEPS = [at_once, in_the_head, in_the_samples, after_the_search, in_the_copy, after_all_of_it, after_the_origin_failed]


@pytest.mark.parametrize("step", STEPS)
def test_leaving(record: KnownFile, disk: Disk, step: Callable[[Scene, Delivery], Awaitable[None]]) -> None:
    async def run() -> Step:
        delivery = scene.open()
        await step(scene, delivery)
        return await leave(scene, delivery)

    scene = Scene(CONTENT, [record], disk)
    assert isinstance(asyncio.run(run()), ClientLeft)
    assert scene.outcome.end == "the client left"


@pytest.mark.parametrize("step", STEPS)
def test_a_body_that_is_closed_without_being_told(
    record: KnownFile, disk: Disk, step: Callable[[Scene, Delivery], Awaitable[None]]
) -> None:
    """A flow that is killed, or a client that leaves behind mitmproxy's back."""

    async def run() -> None:
        delivery = scene.open()
        await step(scene, delivery)
        await delivery.close(Broken("killed"))
        await scene.all_given_back()

    scene = Scene(CONTENT, [record], disk)
    asyncio.run(run())
    assert scene.outcome.end == "broken off: killed"


def test_leaving_while_the_next_block_is_awaited(record: KnownFile, disk: Disk) -> None:
    async def run() -> Step:
        delivery = scene.open()
        waiting = asyncio.create_task(delivery.next())
        await asyncio.sleep(0)
        assert not waiting.done()
        delivery.client_left()
        last = await waiting
        await delivery.close(last)
        await scene.all_given_back()
        return last

    scene = Scene(CONTENT, [record], disk)
    assert isinstance(asyncio.run(run()), ClientLeft)


@pytest.mark.parametrize("ignores_ranges", [False, True])
def test_leaving_during_the_refetch(tmp_path: Path, disk: Disk, ignores_ranges: bool) -> None:
    async def run() -> Step:
        scene.asks.gate = asyncio.Event()
        delivery = scene.open()
        waiting = asyncio.create_task(delivery.next())
        await until(lambda: scene.asks.asked)
        delivery.client_left()
        last = await waiting
        await delivery.close(last)
        await scene.all_given_back()
        return last

    bad = hold(tmp_path / "bad", CONTENT, on_disk=flipped(CONTENT, 0))
    origin = FakeOrigin(CONTENT, ignores_ranges=ignores_ranges)
    scene = Scene(CONTENT, [bad], disk, origin=origin, proof=Proof.TRUST)
    assert isinstance(asyncio.run(run()), ClientLeft)
    assert scene.outcome.end == "the client left"


@pytest.mark.parametrize("slow", ["_open_unchanged", "_read_checked"])
def test_leaving_while_the_disk_is_busy(record: KnownFile, slow: str) -> None:
    async def run(disk: Disk) -> None:
        delivery = scene.open()
        delivery.upstream_data(CONTENT[:HEAD_SIZE])
        await take(delivery, HEAD_SIZE)
        await until(disk.reached.is_set)
        leaving = asyncio.create_task(leave(scene, delivery))
        await asyncio.sleep(0)
        disk.gate.set()
        assert isinstance(await leaving, ClientLeft)

    with Disk(slow) as disk:
        scene = Scene(CONTENT, [record], disk)
        asyncio.run(run(disk))


def test_a_busy_disk_does_not_delay_the_end(record: KnownFile) -> None:
    async def run(disk: Disk) -> None:
        delivery = scene.open()
        delivery.upstream_data(CONTENT)
        delivery.upstream_ended()
        await take(delivery, ALL)
        await until(disk.reached.is_set)
        closing = asyncio.create_task(delivery.close(await delivery.next()))
        await asyncio.wait([closing], timeout=0.2)
        in_time = closing.done()
        disk.gate.set()
        await closing
        await scene.all_given_back()
        assert in_time

    with Disk("_read_checked") as disk:
        scene = Scene(CONTENT, [record], disk)
        asyncio.run(run(disk))


def test_what_comes_after_the_end_is_ignored(record: KnownFile, disk: Disk) -> None:
    async def run() -> None:
        delivery = scene.open()
        await in_the_copy(scene, delivery)
        await leave(scene, delivery)
        delivery.upstream_data(b"late")
        assert not delivery.flowing.is_set()
        delivery.upstream_failed("late")
        delivery.client_left()
        assert len(scene.outcomes) == 1

    scene = Scene(CONTENT, [record], disk)
    asyncio.run(run())
