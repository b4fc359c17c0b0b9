from __future__ import annotations

import json
from pathlib import Path

from tests.hashdb.scenes import run, sha1, write


def test_folders_are_forgotten_and_nothing_else(tmp_path: Path) -> None:
    data_dir, wanted, unwanted = tmp_path / "data", tmp_path / "wanted", tmp_path / "unwanted"
    write(wanted / "a", b"kept")
    write(unwanted / "deep" / "b", b"forgotten")
    write(tmp_path / "unwanted too" / "c", b"kept too")
    assert run(data_dir, "scan", tmp_path, "--min-size", "1").returncode == 0
    answer = run(data_dir, "forget", unwanted, "--json")
    assert (answer.returncode, json.loads(answer.stdout)) == (0, {"forgotten": 1})
    assert run(data_dir, "lookup", str(sha1(b"forgotten"))).returncode == 1
    assert run(data_dir, "lookup", str(sha1(b"kept"))).returncode == 0
    assert run(data_dir, "lookup", str(sha1(b"kept too"))).returncode == 0
    assert (unwanted / "deep" / "b").read_bytes() == b"forgotten"


def test_a_folder_that_is_reached_by_a_link_is_forgotten_too(tmp_path: Path) -> None:
    data_dir, folder, link = tmp_path / "data", tmp_path / "folder", tmp_path / "link"
    write(folder / "a", b"a")
    link.symlink_to(folder)
    run(data_dir, "scan", link, "--min-size", "1")
    assert run(data_dir, "forget", link).returncode == 0
    assert run(data_dir, "lookup", str(sha1(b"a"))).returncode == 1


def test_what_was_not_known_is_not_forgotten(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    write(tmp_path / "folder" / "a", b"a")
    run(data_dir, "scan", tmp_path / "folder", "--min-size", "1")
    answer = run(data_dir, "forget", tmp_path / "other")
    assert (answer.returncode, answer.stdout) == (1, "0 files forgotten; the files themselves are untouched\n")
