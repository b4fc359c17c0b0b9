"""Files that are served by threads: reading ahead, and closing or giving up while a thread is still at it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from addon.sources import local_file
from addon.sources.local_file import LocalFile, LocalFileError
from hashdb.records import KnownFile
from tests.addon.held import MIB, Disk, all_closed, content_of, descriptors, flipped, hold

CONTENT = content_of(5 * MIB)


@pytest.fixture
def record(tmp_path: Path) -> KnownFile:
    return hold(tmp_path / "a", CONTENT)


@pytest.fixture
def slow_reads() -> Iterator[Disk]:
    with Disk("_read_checked") as disk:
        yield disk


def spoil(record: KnownFile) -> None:
    """Change every block of the file."""
    Path(record.path).write_bytes(flipped(CONTENT, *range(0, len(CONTENT), MIB)))


async def reached(disk: Disk) -> None:
    assert await asyncio.get_running_loop().run_in_executor(None, disk.reached.wait, 30)


async def read_ahead(copy: LocalFile) -> None:
    """Wait until nothing is being read any more."""
    while copy._reading:
        await asyncio.wait(copy._reading)


def test_the_following_run_is_read_while_one_is_used(record: KnownFile, disk: Disk) -> None:
    """What was read ahead was read before the file changed under it."""

    async def run() -> bytes:
        copy = await LocalFile.open(record, disk)
        first = await copy.read(0, copy.length)
        await read_ahead(copy)
        spoil(record)
        second = await copy.read(len(first), copy.length)
        with pytest.raises(LocalFileError, match="changed"):
            await copy.read(len(first) + len(second), copy.length)
        copy.close()
        return first + second

    assert asyncio.run(run()) == CONTENT[: 4 * MIB]


def test_what_was_read_ahead_is_used_only_where_it_belongs(record: KnownFile, disk: Disk) -> None:
    async def run() -> bytes:
        copy = await LocalFile.open(record, disk)
        await copy.read(0, copy.length)
        data = await copy.read(3 * MIB + 1, copy.length)
        copy.close()
        return data

    assert asyncio.run(run()) == CONTENT[3 * MIB + 1 :]


def test_nothing_is_read_ahead_beyond_the_end(record: KnownFile, disk: Disk) -> None:
    async def run() -> bool:
        copy = await LocalFile.open(record, disk)
        await copy.read(0, 2 * MIB)
        idle = not copy._reading
        copy.close()
        return idle

    assert asyncio.run(run())


def test_an_error_that_was_read_ahead_bothers_nobody(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    record = hold(tmp_path / "b", CONTENT, on_disk=flipped(CONTENT, 2 * MIB))

    async def run() -> bytes:
        copy = await LocalFile.open(record, disk)
        first = await copy.read(0, copy.length)
        await read_ahead(copy)
        copy.close()
        return first

    assert asyncio.run(run()) == CONTENT[: 2 * MIB]
    assert not caplog.records


def test_the_descriptor_stays_open_while_threads_read(record: KnownFile) -> None:
    """A descriptor that is closed under a thread may be another file's by the time it reads."""

    async def run(slow_reads: Disk) -> None:
        copy = await LocalFile.open(record, slow_reads)
        reading = asyncio.create_task(copy.read(0, copy.length))
        await reached(slow_reads)
        reading.cancel()
        await asyncio.wait([reading])
        copy.close()
        for _ in range(20):  # whatever else was given to the threads is over then
            await asyncio.get_running_loop().run_in_executor(slow_reads, int)
        assert descriptors(record) == 1
        slow_reads.gate.set()
        await all_closed(slow_reads, record)

    with Disk("_read_checked", queued=False) as slow_reads:
        asyncio.run(run(slow_reads))


def test_giving_up_a_read_loses_nothing(record: KnownFile, slow_reads: Disk) -> None:
    async def run() -> bytes:
        copy = await LocalFile.open(record, slow_reads)
        reading = asyncio.create_task(copy.read(0, MIB))
        await reached(slow_reads)
        reading.cancel()
        await asyncio.wait([reading])
        slow_reads.gate.set()
        data = await copy.read(0, MIB)
        copy.close()
        return data

    assert asyncio.run(run()) == CONTENT[:MIB]


@pytest.mark.parametrize("changed", [False, True])
def test_giving_up_the_opening_leaks_no_descriptor(
    record: KnownFile, caplog: pytest.LogCaptureFixture, changed: bool
) -> None:
    async def run(disk: Disk) -> None:
        if changed:
            spoil(record)
        opening = asyncio.create_task(LocalFile.open(record, disk))
        await reached(disk)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        disk.gate.set()
        await all_closed(disk, record)

    with Disk("_open_unchanged") as disk:
        asyncio.run(run(disk))
    assert not caplog.records


def test_a_hanging_disk_ends_the_copy(record: KnownFile, slow_reads: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_file, "DISK_SECONDS", 0.05)

    async def run() -> None:
        copy = await LocalFile.open(record, slow_reads)
        with pytest.raises(LocalFileError, match="could not be read within"):
            await copy.read(0, copy.length)
        with pytest.raises(LocalFileError, match="could not be read within"):
            await copy.read_across(0, 5)
        copy.close()
        assert descriptors(record) == 1, "a thread may still read from it"
        slow_reads.gate.set()
        await all_closed(slow_reads, record)

    asyncio.run(run())
