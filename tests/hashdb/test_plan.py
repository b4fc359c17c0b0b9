from __future__ import annotations

import os
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from hashdb.hashing import blocks_to_compare
from hashdb.plan import make_plan
from hashdb.records import KnownRow

HASHED_AT = 50 * 10**9


def row(path: str, file_id: int = 1, **changes: int) -> KnownRow:
    fields = {"hashed_at_ns": HASHED_AT, "size": 5, "mtime_ns": 7, "ctime_ns": 8, "inode": 42} | changes
    return KnownRow(path, file_id, **fields)


def status(size: int = 5, mtime_ns: int = 7, ctime_ns: int = 8, inode: int = 42) -> os.stat_result:
    times = {"st_mtime_ns": mtime_ns, "st_ctime_ns": ctime_ns, "st_atime_ns": 0}
    return os.stat_result((0o100644, inode, 1, 1, 0, 0, size, 0, 0, 0), times)


def test_unchanged_files_are_no_work() -> None:
    plan = make_plan([row("/a")], {"/a": status()})
    assert (plan.unchanged, plan.tasks, plan.unseen) == (1, [], [])


def test_files_with_times_beyond_the_database_are_unchanged_too() -> None:
    far = 1 << 70
    plan = make_plan([row("/a", mtime_ns=0)], {"/a": status(mtime_ns=far)})
    assert (plan.unchanged, plan.tasks) == (1, [])


def test_a_record_without_its_file_is_unseen() -> None:
    assert make_plan([row("/a")], {}).unseen == [row("/a")]


def test_new_and_changed_files_are_tasks() -> None:
    plan = make_plan([row("/a")], {"/a": status(size=6), "/b": status(inode=9)})
    assert [(task.path, task.known, task.moved_from) for task in plan.tasks] == [
        ("/a", row("/a"), None),
        ("/b", None, None),
    ]
    assert plan.size == 11


def test_racily_clean_files_are_tasks() -> None:
    assert len(make_plan([row("/a", hashed_at_ns=9)], {"/a": status()}).tasks) == 1


def test_a_file_under_another_name_may_have_moved() -> None:
    plan = make_plan([row("/a")], {"/b": status(ctime_ns=99)})
    assert [task.moved_from for task in plan.tasks] == [row("/a")]


def test_a_racily_clean_file_under_another_name_is_hashed() -> None:
    plan = make_plan([row("/a", hashed_at_ns=9)], {"/b": status()})
    assert [task.moved_from for task in plan.tasks] == [None]


def test_a_hard_link_has_not_moved() -> None:
    plan = make_plan([row("/a")], {"/a": status(), "/b": status()})
    assert [(task.path, task.moved_from) for task in plan.tasks] == [("/b", None)]


def test_two_files_that_swapped_names() -> None:
    known = [row("/a", 1, inode=1), row("/b", 2, inode=2)]
    seen: Mapping[str, os.stat_result] = {"/a": status(inode=2), "/b": status(inode=1)}
    moves = {task.path: task.moved_from for task in make_plan(known, seen).tasks}
    assert moves == {"/a": known[1], "/b": known[0]}


@given(st.integers(0, 10_000), st.randoms())
def test_three_blocks_tell_a_moved_file(count: int, random: object) -> None:
    numbers = blocks_to_compare(count, lambda choices: choices[len(choices) // 2])
    assert len(numbers) == min(count, 3)
    assert all(0 <= number < count for number in numbers)
    assert not count or {0, count - 1} <= numbers
