"""Proofs that are remembered or under way: for how long, for whom, how many, and who waits for whom."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from addon.proof import UnprovenError
from addon.proven import MAX_REMEMBERED, REMEMBERED_SECONDS, Proven, Showing
from hashdb.digest import Algorithm, Digest
from tests.addon.held import until

CONTENT = Digest(Algorithm.SHA256, b"\1" * 32)
OTHER = Digest(Algorithm.SHA256, b"\2" * 32)
SHOWING = Showing("10.0.0.1", "https://a.example/x", '"v1"')
COST = 100


class Clock:
    """Monotonic seconds, as the test has them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Samples:
    """A proof that counts how often it runs, and may wait, or fail the first time."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.runs = 0
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> int:
        self.runs += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None and self.runs == 1:
            raise self.fault
        return COST


def test_the_first_time_it_is_proven() -> None:
    assert asyncio.run(Proven().once(SHOWING, CONTENT, Samples())) == COST


@pytest.mark.parametrize(
    ("after", "cost"),
    [(0.0, 0), (REMEMBERED_SECONDS - 0.01, 0), (REMEMBERED_SECONDS, COST), (1e9, COST), (-0.01, COST)],
)
def test_it_holds_for_a_while(after: float, cost: int) -> None:
    async def run() -> int:
        clock = Clock()
        proven = Proven(clock)
        await proven.once(SHOWING, CONTENT, Samples())
        clock.now += after
        return await proven.once(SHOWING, CONTENT, Samples())

    assert asyncio.run(run()) == cost


def test_asking_does_not_prolong_it() -> None:
    async def run() -> list[int]:
        clock = Clock()
        proven = Proven(clock)
        costs = []
        for seconds in (0, 59, 2):
            clock.now += seconds
            costs.append(await proven.once(SHOWING, CONTENT, Samples()))
        return costs

    assert asyncio.run(run()) == [COST, 0, COST]


@pytest.mark.parametrize(
    ("showing", "content"),
    [
        (dataclasses.replace(SHOWING, client="10.0.0.2"), CONTENT),
        (dataclasses.replace(SHOWING, url="https://a.example/y"), CONTENT),
        (dataclasses.replace(SHOWING, etag='"v2"'), CONTENT),
        (SHOWING, OTHER),
    ],
)
def test_it_holds_for_nothing_else(showing: Showing, content: Digest) -> None:
    async def run() -> int:
        proven = Proven()
        await proven.once(SHOWING, CONTENT, Samples())
        return await proven.once(showing, content, Samples())

    assert asyncio.run(run()) == COST


def test_the_oldest_goes_first() -> None:
    async def run() -> tuple[int, int, int]:
        proven = Proven()
        for number in range(MAX_REMEMBERED):
            await proven.once(dataclasses.replace(SHOWING, etag=f'"{number}"'), CONTENT, Samples())
        await proven.once(SHOWING, OTHER, Samples())
        length = len(proven)
        second = await proven.once(dataclasses.replace(SHOWING, etag='"1"'), CONTENT, Samples())
        first = await proven.once(dataclasses.replace(SHOWING, etag='"0"'), CONTENT, Samples())
        return length, second, first

    assert asyncio.run(run()) == (MAX_REMEMBERED, 0, COST)


async def asked_at_once(proven: Proven, samples: Samples, count: int) -> list[asyncio.Task[int]]:
    samples.gate = asyncio.Event()
    tasks = [asyncio.create_task(proven.once(SHOWING, CONTENT, samples)) for _ in range(count)]
    await until(lambda: samples.runs)
    return tasks


def test_many_that_ask_at_once_share_one_proof() -> None:
    async def run() -> list[int]:
        tasks = await asked_at_once(Proven(), samples, 16)
        assert samples.gate
        samples.gate.set()
        return await asyncio.gather(*tasks)

    samples = Samples()
    assert sorted(asyncio.run(run())) == [0] * 15 + [COST]
    assert samples.runs == 1


def test_many_share_a_refusal() -> None:
    async def run() -> list[int | BaseException]:
        tasks = await asked_at_once(Proven(), samples, 5)
        assert samples.gate
        samples.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    samples = Samples(UnprovenError("it differs"))
    assert [str(error) for error in asyncio.run(run())] == ["it differs"] * 5
    assert samples.runs == 1


def test_a_refusal_is_not_remembered() -> None:
    async def run() -> int:
        proven = Proven()
        with pytest.raises(UnprovenError):
            await proven.once(SHOWING, CONTENT, Samples(UnprovenError("it differs")))
        return await proven.once(SHOWING, CONTENT, Samples())

    assert asyncio.run(run()) == COST


@pytest.mark.parametrize("fault", [None, RuntimeError("a fault of the copy")])
def test_where_one_gives_up_another_tries(fault: Exception | None) -> None:
    """A client that left, or a copy that failed, says nothing of the origin."""

    async def run() -> list[int | BaseException]:
        tasks = await asked_at_once(Proven(), samples, 3)
        assert samples.gate
        if fault is None:
            tasks[0].cancel()
            await asyncio.wait([tasks[0]])
        samples.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    samples = Samples(fault)
    first, *others = asyncio.run(run())
    assert isinstance(first, asyncio.CancelledError if fault is None else RuntimeError)
    assert sorted(map(str, others)) == ["0", str(COST)]
    assert samples.runs == 2
