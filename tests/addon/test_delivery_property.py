"""Whatever happens in whatever order: a client has a beginning of the file, and "finished" means all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from addon import fallback
from addon.delivery import Delivery
from addon.outcome import Kind
from addon.ports import Block, Broken, Finished, Step
from addon.search import Proof
from hashdb.records import KnownFile
from tests.addon.deliveries import Scene, fed
from tests.addon.fake_origin import FakeOrigin
from tests.addon.held import MIB, Disk, content_of, flipped, hold

CONTENT = content_of(2 * MIB + MIB // 2 + 77)
LENGTH = len(CONTENT)

BORDERS = [place + off for place in (MIB, 2 * MIB) for off in (-1, 0, 1)]
PLACES = st.one_of(st.integers(0, LENGTH - 1), st.sampled_from([0, 64 << 10, *BORDERS, LENGTH - 1]))


@dataclass(frozen=True)
class Course:
    """How one delivery goes."""

    start: int
    end: int
    proof: Proof
    sizes: tuple[int, ...]
    """Of the origin's pieces, over and over."""
    breaks_at: int | None
    """Bytes after which the origin's transfer breaks off."""
    proven_after: int
    """Bytes that the client has before the origin answers requests of ours."""
    bad_at: tuple[int, ...]
    """Places of the copy whose block is bad."""
    ignores_ranges: bool
    changed_at: int | None
    """The origin has another file since then, with another tag, that differs from here on."""
    breaks_after: tuple[int, ...]
    """Bytes after which the answers to requests of ours break off, one after the other."""


@st.composite
def courses(draw: st.DrawFn) -> Course:
    start, end = sorted((draw(PLACES), draw(PLACES) + 1))
    if draw(st.booleans()):
        start, end = 0, LENGTH
    return Course(
        start=min(start, end - 1),
        end=end,
        proof=draw(st.sampled_from(Proof)),
        sizes=tuple(draw(st.lists(st.integers(1000, 400_000), min_size=1, max_size=4))),
        breaks_at=draw(st.none() | st.integers(0, LENGTH)),
        proven_after=draw(st.integers(0, LENGTH)),
        bad_at=tuple(draw(st.lists(PLACES, max_size=2))),
        ignores_ranges=draw(st.booleans()),
        changed_at=draw(st.none() | PLACES),
        breaks_after=tuple(draw(st.lists(st.integers(0, LENGTH), max_size=4))),
    )


PLAIN = Course(0, LENGTH, Proof.TRUST, (50_000,), None, 0, (), False, None, ())


def pieces(content: bytes, sizes: tuple[int, ...]) -> Iterator[bytes]:
    place, number = 0, 0
    while place < len(content):
        size = sizes[number % len(sizes)]
        yield content[place : place + size]
        place, number = place + size, number + 1


def changed(course: Course) -> bytes:
    """What the origin has when it is asked again."""
    if course.changed_at is None:
        return CONTENT
    return flipped(CONTENT, *{course.changed_at, LENGTH - 1})


class Story:
    """Plays a course."""

    def __init__(self, course: Course, record: KnownFile, disk: Disk) -> None:
        self.course = course
        self.later = changed(course)
        self.proven = asyncio.Event()
        if course.proof is not Proof.SAMPLES:
            self.proven.set()
        origin = FakeOrigin(CONTENT, gate=self.proven, ignores_ranges=course.ignores_ranges)
        self.scene = Scene(CONTENT, [record], disk, course.start, course.end, origin, course.proof, patience=5.0)
        self.got = b""
        self.turned = False

    async def play(self) -> Step:
        wanted, course = self.scene.wanted, self.course
        breaks = course.breaks_at is not None and course.breaks_at < len(wanted)
        arriving = pieces(wanted[: course.breaks_at] if breaks else wanted, course.sizes)
        delivery = self.scene.open()
        async with fed(delivery, arriving, "reset" if breaks else None) as feeding:
            feeding.add_done_callback(lambda _: self.proven.set())
            last = await self._take(delivery)
        await delivery.close(last)
        await self.scene.all_given_back()
        return last

    async def _take(self, delivery: Delivery) -> Step:
        while True:
            if len(self.got) >= self.course.proven_after:
                self.proven.set()
            step = await delivery.next()
            if not isinstance(step, Block):
                return step
            assert step.data
            self.got += step.data
            if delivery.outcome.kind is Kind.LOCAL:
                self._turn_the_origin()

    def _turn_the_origin(self) -> None:
        """Once the copy feeds the client, the origin may be another, and worse."""
        if not self.turned:
            self.turned = True
            origin = self.scene.asks
            origin.breaks_after.extend(self.course.breaks_after)
            if self.course.changed_at is not None:
                origin.content, origin.etag = self.later, '"v2"'


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "PAUSES", (0.0, 0.0, 0.0))


@pytest.mark.usefixtures("no_pauses")
def test_never_wrong_and_complete(tmp_path: Path, disk: Disk) -> None:
    ends: dict[str, int] = {}

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(courses())
    @example(PLAIN)
    @example(replace(PLAIN, proof=Proof.SAMPLES, ignores_ranges=True))
    @example(replace(PLAIN, proof=Proof.SAMPLES, ignores_ranges=True, breaks_at=1000))
    @example(replace(PLAIN, bad_at=(MIB + 5,), changed_at=MIB + 9))
    def check(course: Course) -> None:
        record = hold(tmp_path / "copy", CONTENT, on_disk=flipped(CONTENT, *set(course.bad_at)))
        story = Story(course, record, disk)
        last = asyncio.run(story.play())
        wanted = (story.scene.wanted, story.later[course.start : course.end])
        assert any(file.startswith(story.got) for file in wanted), "a mixture, or bytes out of place"
        if isinstance(last, Finished):
            assert story.got in wanted
        else:
            assert isinstance(last, Broken)
        assert story.scene.outcome.delivered == len(story.got)
        kind = f"{story.scene.outcome.kind} {type(last).__name__}"
        ends[kind] = ends.get(kind, 0) + 1

    check()
    assert {"local Finished", "origin Finished", "origin Broken", "local Broken"} <= set(ends), ends
