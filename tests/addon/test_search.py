"""The search for a copy: which is taken, why the others are not, and that nothing stays open."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from addon.proof import HEAD_SIZE, SAMPLE_SIZE, SAMPLES
from addon.search import Proof, Search
from hashdb.digest import Digest
from hashdb.records import KnownFile
from tests.addon.fake_origin import FakeOrigin
from tests.addon.held import MIB, Disk, Forgotten, all_closed, content_of, descriptors, flipped, hold, known, until

CONTENT = content_of(2 * MIB + 99)


def arriving(head: bytes) -> Callable[[], Awaitable[bytes]]:
    async def wait() -> bytes:
        return head

    return wait


def search(
    copies: Sequence[KnownFile],
    disk: Disk,
    proof: Proof = Proof.SAMPLES,
    origin: FakeOrigin | None = None,
    *,
    start: int = 0,
    head: bytes | None = None,
) -> Search:
    return Search(
        copies=copies,
        proof=proof,
        known=known(CONTENT),
        start=start,
        head=arriving(CONTENT[start : start + HEAD_SIZE] if head is None else head),
        origin=origin or FakeOrigin(CONTENT),
        disk=disk,
        forget=Forgotten(),
        choose=random.Random(1),
    )


def found(searching: Search) -> str | None:
    """The path of what was found; it is closed."""

    async def run() -> str | None:
        copy = await searching.run()
        if copy is None:
            return None
        assert descriptors(copy.record) == 1
        copy.close()
        return copy.record.path

    async def run_and_close() -> str | None:
        path = await run()
        assert isinstance(searching.disk, Disk)
        await all_closed(searching.disk, *searching.copies)
        return path

    return asyncio.run(run_and_close())


def forgotten(searching: Search) -> dict[int, str]:
    assert isinstance(searching.forget, Forgotten)
    return searching.forget.reasons


@pytest.fixture
def record(tmp_path: Path) -> KnownFile:
    return hold(tmp_path / "a", CONTENT)


@pytest.mark.parametrize("start", [0, 5, MIB, MIB + 5])
@pytest.mark.parametrize("proof", Proof)
def test_a_copy_that_stands(record: KnownFile, disk: Disk, proof: Proof, start: int) -> None:
    searching = search([record], disk, proof, start=start)
    assert found(searching) == record.path
    assert searching.bytes_from_origin == (SAMPLES * SAMPLE_SIZE if proof is Proof.SAMPLES else 0)
    assert forgotten(searching) == {}


@pytest.mark.parametrize(("proof", "requests"), [(Proof.SAMPLES, SAMPLES), (Proof.HEAD, 0), (Proof.TRUST, 0)])
def test_what_each_proof_asks(record: KnownFile, disk: Disk, proof: Proof, requests: int) -> None:
    origin = FakeOrigin(CONTENT)
    found(search([record], disk, proof, origin))
    assert len(origin.asked) == requests


def test_trust_waits_for_no_byte(record: KnownFile, disk: Disk) -> None:
    async def never() -> bytes:
        await asyncio.get_running_loop().create_future()
        return b""

    searching = search([record], disk, Proof.TRUST)
    searching.head = never
    assert found(searching) == record.path


@pytest.mark.parametrize("proof", [Proof.SAMPLES, Proof.HEAD])
def test_another_head_ends_it_before_any_request(record: KnownFile, disk: Disk, proof: Proof) -> None:
    origin = FakeOrigin(CONTENT)
    searching = search([record], disk, proof, origin, head=flipped(CONTENT[:HEAD_SIZE], HEAD_SIZE - 1))
    assert found(searching) is None
    assert "not proven, the first bytes" in searching.reason
    assert origin.asked == []
    assert forgotten(searching) == {}, "the file is what its record says"


@pytest.mark.parametrize("shown", [0, 1, HEAD_SIZE - 1])
def test_an_origin_that_shows_less_than_the_head_proves_nothing(record: KnownFile, disk: Disk, shown: int) -> None:
    assert found(search([record], disk, Proof.HEAD, head=CONTENT[:shown])) is None


def test_an_origin_that_fails_the_samples(record: KnownFile, disk: Disk) -> None:
    searching = search([record], disk, origin=FakeOrigin(CONTENT, ignores_ranges=True))
    assert found(searching) is None
    assert searching.reason == "not proven, the origin answered 200 to a request for a range"
    assert forgotten(searching) == {}


def test_the_next_copy_is_tried(tmp_path: Path, disk: Disk) -> None:
    gone = hold(tmp_path / "gone", CONTENT, file_id=1)
    Path(gone.path).unlink()
    changed = hold(tmp_path / "changed", CONTENT, file_id=2)
    Path(changed.path).write_bytes(b"x")
    rotten = hold(tmp_path / "rotten", CONTENT, on_disk=flipped(CONTENT, 5), file_id=3)
    good = hold(tmp_path / "good", CONTENT, file_id=4)
    searching = search([gone, changed, rotten, good], disk)
    assert found(searching) == good.path
    assert set(forgotten(searching)) == {1, 2, 3}
    assert "cannot be opened" in forgotten(searching)[1]
    assert "was changed since" in forgotten(searching)[2]
    assert "changed after byte 0" in forgotten(searching)[3]


def test_none_stands(tmp_path: Path, disk: Disk) -> None:
    rotten = hold(tmp_path / "rotten", CONTENT, on_disk=flipped(CONTENT, 5))
    searching = search([rotten], disk)
    assert found(searching) is None
    assert searching.reason == forgotten(searching)[1]
    assert found(search([], disk)) is None


class Notebook:
    """Takes the place of what was proven: runs the proof, or not where it is `spared`; remembers what it was told."""

    def __init__(self, spared: bool = False) -> None:
        self.spared = spared
        self.told: list[Digest] = []

    async def __call__(self, content: Digest, proof: Callable[[], Awaitable[int]]) -> int:
        self.told.append(content)
        return 0 if self.spared else await proof()


def test_a_proof_of_a_moment_ago_spares_the_samples(record: KnownFile, disk: Disk) -> None:
    origin = FakeOrigin(CONTENT)
    searching = search([record], disk, origin=origin)
    searching.prove_once = notebook = Notebook(spared=True)
    assert found(searching) == record.path
    assert notebook.told == [record.sums.sha256]
    assert (origin.asked, searching.bytes_from_origin) == ([], 0)


def test_the_head_is_compared_all_the_same(record: KnownFile, disk: Disk) -> None:
    searching = search([record], disk, head=b"x" * HEAD_SIZE)
    searching.prove_once = notebook = Notebook(spared=True)
    assert found(searching) is None
    assert notebook.told == []


@pytest.mark.parametrize("proof", [Proof.HEAD, Proof.TRUST])
def test_only_samples_are_remembered(record: KnownFile, disk: Disk, proof: Proof) -> None:
    searching = search([record], disk, proof)
    searching.prove_once = notebook = Notebook()
    assert found(searching) == record.path
    assert notebook.told == []


async def cancelled_at(searching: Search, here: Callable[[], bool], release: Callable[[], None]) -> None:
    task = asyncio.create_task(searching.run())
    await until(here)
    task.cancel()
    await asyncio.sleep(0)
    release()
    await asyncio.wait([task])
    assert task.cancelled()
    assert isinstance(searching.disk, Disk)
    await all_closed(searching.disk, *searching.copies)


def test_giving_up_during_the_samples(record: KnownFile, disk: Disk) -> None:
    async def run() -> None:
        origin = FakeOrigin(CONTENT, gate=asyncio.Event())
        await cancelled_at(search([record], disk, origin=origin), lambda: bool(origin.asked), lambda: None)
        assert origin.open_now == 0

    asyncio.run(run())


def test_giving_up_while_a_thread_reads(record: KnownFile) -> None:
    with Disk("_read_checked") as slow:
        searching = search([record], slow)
        asyncio.run(cancelled_at(searching, slow.reached.is_set, slow.gate.set))
