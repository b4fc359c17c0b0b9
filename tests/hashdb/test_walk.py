from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from hashdb.walk import Skip, survey
from tests.hashdb.scenes import write


def names(root: Path, files: dict[str, os.stat_result]) -> set[str]:
    return {os.path.relpath(path, root) for path in files}


def test_finds_regular_files_of_the_size_asked_for(folder: Path) -> None:
    write(folder / "small", b"123")
    write(folder / "deep/er/large", b"1234")
    found = survey([folder], min_size=4)
    assert names(folder, found.files) == {"deep/er/large"}
    assert found.listed == {str(folder), str(folder / "deep"), str(folder / "deep/er")}
    assert not found.skipped.counts


def test_symbolic_links_are_counted_and_not_followed(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/a", b"a")
    (folder / "loop").symlink_to(folder)
    (folder / "file").symlink_to(tmp_path / "elsewhere/a")
    (folder / "broken").symlink_to("nowhere")
    found = survey([folder], min_size=0)
    assert not found.files
    assert found.skipped.counts == {Skip.SYMLINK: 3}


def test_a_root_may_be_a_symbolic_link(folder: Path, tmp_path: Path) -> None:
    file = write(folder / "a", b"a")
    (tmp_path / "link").symlink_to(folder)
    assert set(survey([tmp_path / "link"], min_size=1).files) == {str(file)}


def test_sockets_and_pipes_are_counted(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(folder / "socket"))
        found = survey([folder], min_size=0)
    assert found.skipped.counts == {Skip.SPECIAL: 2}


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
def test_names_that_are_no_utf8_are_counted(folder: Path) -> None:
    write(folder / os.fsdecode(b"bad-\xff"), b"a")
    write(folder / os.fsdecode(b"folder-\xff") / "inside", b"a")
    good = write(folder / "gut-ü", b"a")
    found = survey([folder], min_size=1)
    assert set(found.files) == {str(good)}
    assert found.skipped.counts == {Skip.NOT_UTF8: 2}


def test_overlapping_roots_are_walked_once(folder: Path) -> None:
    write(folder / "in/a", b"a")
    os.mkfifo(folder / "in/pipe")
    found = survey([folder, folder / "in", folder, folder / "in" / ".."], min_size=1)
    assert names(folder, found.files) == {"in/a"}
    assert found.skipped.counts == {Skip.SPECIAL: 1}
    assert found.listed == {str(folder), str(folder / "in")}


def test_missing_and_wrong_roots_are_said(folder: Path) -> None:
    file = write(folder / "a", b"a")
    (folder / "loop").symlink_to("loop")
    found = survey([folder / "none", file, file / "below", folder / "loop"], min_size=1)
    assert found.skipped.counts == {Skip.MISSING_FOLDER: 2, Skip.NOT_A_FOLDER: 1, Skip.UNREADABLE: 1}
    assert found.skipped.examples[Skip.NOT_A_FOLDER] == [str(file)]
    assert not found.speaks_of(str(folder / "none" / "x"))
    assert not found.speaks_of(str(file))


def test_excluded_folders_are_not_looked_at(folder: Path, tmp_path: Path) -> None:
    inside = write(folder / "own/store/a", b"a")
    (tmp_path / "link").symlink_to(folder / "own")
    found = survey([folder, folder / "own/store"], min_size=1, excluded=[tmp_path / "link"])
    assert not found.files
    assert found.skipped.counts == {Skip.EXCLUDED: 2}
    assert not found.speaks_of(str(inside))


def test_other_file_systems_are_counted() -> None:
    mounted = "/dev/pts"
    if not os.path.ismount(mounted):
        pytest.skip(f"nothing is mounted at {mounted} here")
    found = survey([Path("/dev")], min_size=1 << 60)
    assert mounted in found.unseen
    assert found.skipped.counts[Skip.OTHER_FILE_SYSTEM] >= 1
    assert not found.speaks_of(f"{mounted}/a")


def test_a_tree_deeper_than_the_recursion_limit(folder: Path) -> None:
    depth = 1900
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert depth > sys.getrecursionlimit()
    listed = survey([folder], min_size=1).listed
    for path in sorted(listed - {str(folder)}, key=len, reverse=True):
        Path(path).rmdir()
    assert len(listed) == depth + 1


def test_a_path_that_is_too_long_is_counted(folder: Path) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert survey([folder], min_size=1).skipped.counts == {Skip.UNREADABLE: 1}


def test_says_what_it_can_speak_of(folder: Path) -> None:
    write(folder / "a/b", b"a")
    found = survey([folder], min_size=1)
    assert found.speaks_of(str(folder / "gone"))
    assert found.speaks_of(str(folder / "gone/with/its/folder"))
    assert not found.speaks_of(str(folder.parent / "beside"))


def test_stops_when_told(folder: Path) -> None:
    write(folder / "a/b", b"a")
    found = survey([folder], min_size=1, stopped=lambda: True)
    assert not found.complete
    assert not found.listed
