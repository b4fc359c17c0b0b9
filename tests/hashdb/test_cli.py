from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hashdb.cli import main
from hashdb.paths import default_data_dir, default_scan_paths
from hashdb.store import HashStore
from tests.hashdb.scenes import MIB, command, run, sha1, sha256, write

SCAN_KEYS = {
    "hashed",
    "unchanged",
    "moved",
    "vanished",
    "skipped",
    "changed_while_read",
    "failed",
    "bytes",
    "seconds",
    "interrupted",
}


def await_that(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        select.select([], [], [], 0.01)


@contextmanager
def endless_scan(data_dir: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A scan with two small files done and recorded, and a third that never ends."""
    write(folder / "a", b"a")
    write(folder / "b", b"b")
    with (folder / "huge").open("wb") as huge:
        huge.truncate(1 << 42)
    arguments = command(data_dir, "scan", folder, "--min-size", "1", "--jobs", "2", "--json")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            await_that(lambda: recorded(data_dir) == 2)
            yield process
        finally:
            process.kill()


def recorded(data_dir: Path) -> int:
    if not (data_dir / "hashes.sqlite3-wal").exists():
        return 0
    with HashStore.open(data_dir) as store:
        return store.statistics().files


def test_scan_lookup_stats_verify(data_dir: Path, folder: Path) -> None:
    file = write(folder / "a", b"hello")
    (folder / "link").symlink_to(file)
    scanned = run(data_dir, "scan", folder, "--min-size", "1")
    assert scanned.returncode == 0
    assert "1 hashed (5 B), 0 unchanged, 0 moved, 0 vanished" in scanned.stdout
    assert f"Skipped, symbolic links: 1 ({folder / 'link'})" in scanned.stdout
    for digest in (str(sha1(b"hello")), str(sha256(b"hello")), sha1(b"hello").value.hex().upper()):
        assert run(data_dir, "lookup", digest).stdout == f"{file}\n"
    assert run(data_dir, "lookup", str(sha1(b"other"))).returncode == 1
    assert "1 files, 5 B" in run(data_dir, "stats").stdout
    assert run(data_dir, "verify").returncode == 0
    file.write_bytes(b"HELLO")
    bad = run(data_dir, "verify")
    assert (bad.returncode, f"changed: {file}" in bad.stdout) == (1, True)
    assert run(data_dir, "verify").returncode == 0


def test_json(data_dir: Path, folder: Path) -> None:
    file = write(folder / "a", b"hello")
    os.mkfifo(folder / "pipe")
    scanned = json.loads(run(data_dir, "scan", folder, folder / "none", "--min-size", "1", "--json").stdout)
    assert scanned.keys() == SCAN_KEYS
    assert (scanned["hashed"], scanned["bytes"], scanned["interrupted"]) == (1, 5, False)
    assert scanned["skipped"] == {"special": 1, "missing_folder": 1}
    found = json.loads(run(data_dir, "lookup", str(sha1(b"hello")), "--json").stdout)
    assert found == {"digest": str(sha1(b"hello")), "files": [{"path": str(file), "length": 5}]}
    assert json.loads(run(data_dir, "stats", "--json").stdout)["files"] == 1
    file.unlink()
    result = run(data_dir, "verify", "--json")
    assert result.returncode == 1
    assert [bad["condition"] for bad in json.loads(result.stdout)["bad"]] == ["missing"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["scan", "--min-size", "10x"], "10m, 64k, 1g"),
        (["scan", "--jobs", "0"], "1 to 1024"),
        (["lookup", "xyz"], "sha1:HEX"),
        (["lookup", "md5:" + "0" * 32], "SHA-1 and SHA-256 only"),
        (["nonsense"], "invalid choice"),
        ([], "COMMAND"),
    ],
)
def test_wrong_usage(data_dir: Path, arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--data-dir", str(data_dir), *arguments])
    assert ended.value.code == 2
    assert word in capsys.readouterr().err
    assert not data_dir.exists()


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for option, word in (("--version", "nearfetch-hashdb "), ("--help", "130  interrupted")):
        with pytest.raises(SystemExit) as ended:
            main([option])
        assert ended.value.code == 0
        assert word in capsys.readouterr().out


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_DOWNLOAD_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_data_dir().is_relative_to(tmp_path)
    assert default_data_dir().name == "nearfetch"
    assert default_scan_paths() == [tmp_path / "Downloads"]
    file = write(tmp_path / "Downloads/a", bytes(10 * MIB))
    write(tmp_path / "Downloads/small", bytes(10 * MIB - 1))
    assert main(["scan"]) == 0
    with HashStore.open(default_data_dir(), create=False) as store:
        assert [row.path for row in store.known_rows()] == [str(file)]


def test_the_data_folder_is_not_scanned(folder: Path) -> None:
    write(folder / "data/store/a", b"a")
    scanned = json.loads(run(folder / "data", "scan", folder, "--min-size", "1", "--json").stdout)
    assert (scanned["hashed"], scanned["skipped"]) == (0, {"excluded": 1})


def test_background_is_nice(data_dir: Path, folder: Path) -> None:
    write(folder / "a", b"a")
    arguments = command(data_dir, "scan", folder, "--min-size", "1", "--background", "--json")
    with (folder / "huge").open("wb") as huge:
        huge.truncate(1 << 42)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        await_that(lambda: recorded(data_dir) == 1)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 10
        process.terminate()


def test_names_do_not_reach_the_terminal_raw(data_dir: Path, folder: Path) -> None:
    write(folder / "a\x1b[31m\nb", b"a")
    os.mkfifo(folder / os.fsdecode(b"\xff\x1b"))
    scanned = run(data_dir, "scan", folder, "--min-size", "1")
    found = run(data_dir, "lookup", str(sha1(b"a")))
    assert "\x1b" not in scanned.stdout + found.stdout
    assert found.stdout.count("\n") == 1
    ascii_only = run(data_dir, "verify", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert ascii_only.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_keeps_what_is_hashed(data_dir: Path, folder: Path, number: signal.Signals) -> None:
    with endless_scan(data_dir, folder) as process:
        process.send_signal(number)
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (130, "")
    outcome = json.loads(output.splitlines()[-1])
    assert (outcome["hashed"], outcome["interrupted"]) == (2, True)
    assert recorded_afterwards(data_dir) == 2


def test_a_killed_scan_keeps_what_it_recorded(data_dir: Path, folder: Path) -> None:
    with endless_scan(data_dir, folder) as process:
        process.kill()
        process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL
    assert recorded_afterwards(data_dir) == 2
    (folder / "huge").unlink()
    assert run(data_dir, "verify").returncode == 0


def recorded_afterwards(data_dir: Path) -> int:
    with HashStore.open(data_dir, create=False) as store:
        return store.statistics().files


def test_plain_lines_where_there_is_no_terminal(data_dir: Path, folder: Path) -> None:
    write(folder / "a", bytes(MIB))
    result = run(data_dir, "scan", folder, "--min-size", "1")
    assert "\r" not in result.stdout + result.stderr
    assert "\x1b" not in result.stdout + result.stderr


def test_a_progress_bar_on_a_terminal(data_dir: Path, folder: Path) -> None:
    write(folder / "a", bytes(MIB))
    ours, theirs = pty.openpty()
    arguments = command(data_dir, "scan", folder, "--min-size", "1")
    environment = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=theirs, env=environment) as process:
        os.close(theirs)
        drawn = b""
        while select.select([ours], [], [], 30)[0]:
            try:
                drawn += os.read(ours, 65536)
            except OSError:
                break
    os.close(ours)
    assert process.returncode == 0
    assert b"\x1b[" in drawn
    assert b"1/1" in drawn


def test_a_reader_that_has_enough(data_dir: Path, folder: Path) -> None:
    write(folder / "a", b"a")
    run(data_dir, "scan", folder, "--min-size", "1")
    reader, writer = os.pipe()
    os.close(reader)
    arguments = command(data_dir, "lookup", str(sha1(b"a")))
    with subprocess.Popen(arguments, stdout=writer, stderr=subprocess.PIPE, text=True) as process:
        os.close(writer)
        assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 0
