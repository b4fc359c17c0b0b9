from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashdb.fingerprint import RACY_WINDOW_NS, Fingerprint, Verdict, is_racy, judge, judge_elsewhere
from hashdb.paths import printable

CALM = Fingerprint(size=5, mtime_ns=10**18, ctime_ns=10**18 + 7, inode=42)
LATER = CALM.ctime_ns + RACY_WINDOW_NS + 1


def test_reads_what_stat_says(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"12345")
    os.utime(file, ns=(1, 123_456_789_000_000_001))
    status = file.stat()
    assert Fingerprint.of(status) == Fingerprint(5, 123_456_789_000_000_001, status.st_ctime_ns, status.st_ino)


@given(st.integers(0, (1 << 64) - 1), st.integers(-(1 << 80), 1 << 80))
def test_everything_fits_into_the_database(inode: int, seconds: int) -> None:
    status = os.stat_result(
        (0o100644, inode, 1, 1, 0, 0, 9, 0, 0, 0),
        {"st_mtime_ns": seconds, "st_ctime_ns": 5, "st_atime_ns": 5},
    )
    found = Fingerprint.of(status)
    assert all(-(1 << 63) <= value < 1 << 63 for value in (found.mtime_ns, found.ctime_ns, found.inode))
    assert (found.inode - inode) % (1 << 64) == 0


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (CALM, Verdict.UNCHANGED),
        (replace(CALM, size=6), Verdict.RESIZED),
        (replace(CALM, mtime_ns=1), Verdict.MODIFIED),
        (replace(CALM, ctime_ns=1), Verdict.TOUCHED),
        (replace(CALM, inode=43), Verdict.REPLACED),
    ],
)
def test_same_path(seen: Fingerprint, verdict: Verdict) -> None:
    assert judge(CALM, LATER, seen) is verdict
    assert verdict.needs_hashing == (verdict is not Verdict.UNCHANGED)


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (CALM, Verdict.MOVED),
        (replace(CALM, ctime_ns=1), Verdict.MOVED),
        (replace(CALM, size=6), Verdict.RESIZED),
        (replace(CALM, mtime_ns=1), Verdict.MODIFIED),
        (replace(CALM, inode=43), Verdict.REPLACED),
    ],
)
def test_another_path(seen: Fingerprint, verdict: Verdict) -> None:
    assert judge_elsewhere(CALM, LATER, seen) is verdict
    assert verdict.needs_hashing == (verdict is not Verdict.MOVED)


@pytest.mark.parametrize(
    "hashed_at_ns", [CALM.mtime_ns, CALM.mtime_ns - RACY_WINDOW_NS, CALM.ctime_ns + RACY_WINDOW_NS]
)
def test_hashed_too_soon_after_a_change(hashed_at_ns: int) -> None:
    assert judge(CALM, hashed_at_ns, CALM) is Verdict.RACY
    assert judge_elsewhere(CALM, hashed_at_ns, CALM) is Verdict.RACY


@given(st.integers(), st.integers(), st.integers())
def test_both_times_count(mtime: int, ctime: int, hashed_at: int) -> None:
    known = Fingerprint(1, mtime, ctime, 1)
    near = [abs(time - hashed_at) <= RACY_WINDOW_NS for time in (mtime, ctime)]
    assert is_racy(known, hashed_at) == any(near)


@given(st.text(st.characters(codec=None)))
def test_no_name_upsets_a_terminal(name: str) -> None:
    assert printable(name).isprintable()


def test_escapes_tell_the_byte() -> None:
    assert printable("a\udcff\x1b[2J\n") == r"a\xff\x1b[2J\n"
