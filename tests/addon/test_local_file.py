"""Files that are served: real ones, and what may have happened to them since they were indexed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addon.sources.local_file import RUN, LocalFile, LocalFileError
from hashdb.digest import block_sum
from hashdb.fingerprint import Fingerprint
from hashdb.records import KnownFile
from tests.addon.held import MIB, Disk, all_closed, content_of, descriptors, flipped, hold

CONTENT = content_of(5 * MIB + 777)


async def read_all(copy: LocalFile, start: int, end: int) -> list[bytes]:
    runs, place = [], start
    while place < end:
        runs.append(await copy.read(place, end))
        assert runs[-1]
        place += len(runs[-1])
    return runs


def served(record: KnownFile, disk: Disk, start: int = 0, end: int | None = None) -> bytes:
    """What a client would be given, until the file turns out to be wrong."""

    async def run() -> bytes:
        copy = await LocalFile.open(record, disk)
        try:
            return b"".join(await read_all(copy, start, copy.length if end is None else end))
        finally:
            copy.close()
            await all_closed(disk, record)

    return asyncio.run(run())


def good_until_error(record: KnownFile, disk: Disk, start: int = 0) -> tuple[bytes, str]:
    async def run() -> tuple[bytes, str]:
        copy, good = await LocalFile.open(record, disk), b""
        try:
            while start + len(good) < copy.length:
                good += await copy.read(start + len(good), copy.length)
        except LocalFileError as error:
            return good, str(error)
        finally:
            copy.close()
            await all_closed(disk, record)
        return good, ""

    return asyncio.run(run())


@pytest.mark.parametrize("length", [1, 777, MIB - 1, MIB, MIB + 1, RUN * MIB, 3 * MIB, 5 * MIB + 777])
def test_a_whole_file(tmp_path: Path, disk: Disk, length: int) -> None:
    record = hold(tmp_path / "a", CONTENT[:length])
    assert served(record, disk) == CONTENT[:length]
    assert descriptors(record) == 0


PLACES = st.one_of(
    st.integers(0, len(CONTENT)), st.sampled_from([border + off for border in (MIB, 2 * MIB) for off in (-1, 0, 1)])
)


def test_any_range(tmp_path: Path, disk: Disk) -> None:
    record = hold(tmp_path / "a", CONTENT)

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(PLACES, PLACES)
    def check(one: int, other: int) -> None:
        start, end = sorted((one, other))
        assert served(record, disk, start, end) == CONTENT[start:end]

    check()


def test_any_bytes_across_blocks(tmp_path: Path, disk: Disk) -> None:
    record = hold(tmp_path / "a", CONTENT)

    async def across(start: int, end: int) -> bytes:
        copy = await LocalFile.open(record, disk)
        data = await copy.read_across(start, end)
        copy.close()
        return data

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(PLACES, PLACES)
    def check(one: int, other: int) -> None:
        start, end = sorted((one, other))
        assert asyncio.run(across(start, end)) == CONTENT[start:end]

    check()


def test_runs_are_bounded_and_aligned(tmp_path: Path, disk: Disk) -> None:
    record = hold(tmp_path / "a", CONTENT)

    async def run() -> list[int]:
        copy = await LocalFile.open(record, disk)
        runs = await read_all(copy, 10, 4 * MIB + 5)
        copy.close()
        return list(map(len, runs))

    assert asyncio.run(run()) == [2 * MIB - 10, 2 * MIB, 5]


@pytest.mark.parametrize("place", [0, MIB - 1, MIB, 2 * MIB + 5, 5 * MIB, len(CONTENT) - 1])
def test_a_flipped_bit_ends_the_file_before_its_block(tmp_path: Path, disk: Disk, place: int) -> None:
    record = hold(tmp_path / "a", CONTENT, on_disk=flipped(CONTENT, place))
    good, error = good_until_error(record, disk)
    assert good == CONTENT[: place // MIB * MIB]
    assert f"changed after byte {place // MIB * MIB}" in error
    assert descriptors(record) == 0


def test_a_bad_block_is_found_from_its_middle_too(tmp_path: Path, disk: Disk) -> None:
    """The bytes that are asked for are right, but the block has to be."""
    record = hold(tmp_path / "a", CONTENT, on_disk=flipped(CONTENT, MIB))
    assert good_until_error(record, disk, MIB + 500)[0] == b""


def test_samples_of_a_bad_block_are_refused(tmp_path: Path, disk: Disk) -> None:
    record = hold(tmp_path / "a", CONTENT, on_disk=flipped(CONTENT, 2 * MIB))

    async def run() -> None:
        copy = await LocalFile.open(record, disk)
        assert await copy.read_across(MIB - 5, 2 * MIB) == CONTENT[MIB - 5 : 2 * MIB]
        with pytest.raises(LocalFileError, match="changed"):
            await copy.read_across(2 * MIB - 5, 2 * MIB + 5)
        copy.close()

    asyncio.run(run())


@pytest.mark.parametrize("left", [0, MIB, 2 * MIB + 5, 5 * MIB, len(CONTENT) - 1])
def test_truncated_after_it_was_opened(tmp_path: Path, disk: Disk, left: int) -> None:
    record = hold(tmp_path / "a", CONTENT)

    async def run() -> tuple[bytes, str]:
        copy, good = await LocalFile.open(record, disk), b""
        os.truncate(record.path, left)
        with pytest.raises(LocalFileError) as error:  # noqa: PT012 - how far it gets is the question
            while True:
                good += await copy.read(len(good), copy.length)
        copy.close()
        return good, str(error.value)

    good, error = asyncio.run(run())
    assert good == CONTENT[: left // MIB * MIB]
    assert "truncated" in error


def truncate(path: Path) -> None:
    os.truncate(path, MIB)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"!")


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def replace_by_twin(path: Path) -> None:
    twin = path.with_name("twin")
    twin.write_bytes(CONTENT)
    twin.replace(path)


def replace_by_link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("happened", "why"),
    [
        (truncate, "was changed"),
        (append, "was changed"),
        (touch, "was changed"),
        (replace_by_twin, "was changed"),
        (replace_by_link, "cannot be opened"),
        (replace_by_pipe, "was changed"),
        (replace_by_folder, "was changed"),
        (Path.unlink, "cannot be opened: No such file"),
        (lambda path: path.parent.rename(path.parent.with_name("elsewhere")), "cannot be opened"),
    ],
)
def test_changed_before_it_was_opened(tmp_path: Path, disk: Disk, happened: Callable[[Path], object], why: str) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "a"
    record = hold(path, CONTENT)
    happened(path)
    with pytest.raises(LocalFileError, match=why):
        asyncio.run(LocalFile.open(record, disk))
    assert descriptors(record) == 0


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_only_regular_files_are_served(tmp_path: Path, disk: Disk, make: Callable[[Path], None]) -> None:
    """Not even where the record says that it is one."""
    make(tmp_path / "odd")
    fingerprint = Fingerprint.of(os.lstat(tmp_path / "odd"))
    record = replace(hold(tmp_path / "a", CONTENT), path=str(tmp_path / "odd"), fingerprint=fingerprint)
    with pytest.raises(LocalFileError, match="was changed"):
        asyncio.run(LocalFile.open(record, disk))
    assert descriptors(record) == 0


def test_what_was_opened_is_what_is_served(tmp_path: Path, disk: Disk) -> None:
    record = hold(tmp_path / "a", CONTENT)

    async def run() -> bytes:
        copy = await LocalFile.open(record, disk)
        hold(tmp_path / "b", flipped(CONTENT, 0))
        (tmp_path / "b").replace(record.path)
        data = b"".join(await read_all(copy, 0, copy.length))
        copy.close()
        return data

    assert asyncio.run(run()) == CONTENT


def test_recorded_sums(tmp_path: Path, disk: Disk) -> None:
    record = hold(tmp_path / "a", CONTENT)

    async def run() -> list[bytes]:
        copy = await LocalFile.open(record, disk)
        sums = [copy.recorded_sum(number) for number in range(6)]
        copy.close()
        return sums

    assert asyncio.run(run()) == [block_sum(CONTENT[place : place + MIB]) for place in range(0, len(CONTENT), MIB)]
