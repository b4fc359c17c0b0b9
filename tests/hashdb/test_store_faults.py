from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hashdb.cli import main
from hashdb.errors import (
    StoreDamagedError,
    StoreError,
    StoreLockedError,
    StoreMissingError,
    StoreNewerError,
    StoreReadOnlyError,
)
from hashdb.fingerprint import Fingerprint
from hashdb.schema import STEPS
from hashdb.store import HashStore
from tests.hashdb.scenes import bound_by_mode_bits, raw, run, sha1, sums


def keep(store: HashStore, path: str, content: bytes) -> None:
    store.record(path, Fingerprint(1, 2, 3, 4), 5, sums(content))


@pytest.fixture
def unwritable() -> Iterator[Path]:
    """A data folder with one record that may be read, not written."""
    top = Path(tempfile.mkdtemp(prefix="nearfetch-test-"))
    folder = top / "data"
    with HashStore.open(folder) as store:
        keep(store, "/a", b"a")
    (folder / "hashes.sqlite3").chmod(0o444)
    folder.chmod(0o555)
    top.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(top)


def test_missing(data_dir: Path) -> None:
    with pytest.raises(StoreMissingError, match="run `nearfetch-hashdb scan`"):
        HashStore.open(data_dir, create=False)
    assert not data_dir.exists()


def test_removed_while_open(store: HashStore, data_dir: Path) -> None:
    shutil.rmtree(data_dir)
    with pytest.raises(StoreMissingError, match=r"hashes\.sqlite3"):
        keep(store, "/a", b"a")
    with pytest.raises(StoreMissingError):
        store.statistics()


@pytest.mark.parametrize("content", [b"x" * 5000, random.Random(1).randbytes(100_000)])
def test_no_database_at_all(data_dir: Path, content: bytes) -> None:
    data_dir.mkdir()
    (data_dir / "hashes.sqlite3").write_bytes(content)
    with pytest.raises(StoreDamagedError, match="move it"):
        HashStore.open(data_dir)
    assert (data_dir / "hashes.sqlite3").read_bytes() == content, "whoever can repair it still has it"


def read_everything(data_dir: Path) -> None:
    with HashStore.open(data_dir) as store:
        store.statistics()
        for row in store.known_rows():
            store.sums_of(row.file_id)


def test_truncated(store: HashStore, data_dir: Path) -> None:
    for number in range(300):
        keep(store, f"/{number}", b"%d" % number)
    store.close()
    file = data_dir / "hashes.sqlite3"
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(StoreDamagedError, match="damaged"):
        read_everything(data_dir)


def test_a_digest_of_the_wrong_length(store: HashStore, data_dir: Path) -> None:
    keep(store, "/a", b"a")
    other = raw(data_dir)
    other.execute("UPDATE content SET sha256 = x'00'")
    other.close()
    with pytest.raises(StoreDamagedError, match="32 bytes"):
        store.find([sha1(b"a")])


def test_a_path_that_is_no_utf8(store: HashStore, data_dir: Path) -> None:
    keep(store, "/a", b"a")
    other = raw(data_dir)
    other.execute("UPDATE file SET path = CAST(x'ff' AS TEXT)")
    other.close()
    with pytest.raises(StoreDamagedError):
        store.known_rows()


def test_tables_that_are_gone(store: HashStore, data_dir: Path) -> None:
    other = raw(data_dir)
    other.execute("DROP TABLE file")
    other.close()
    with pytest.raises(StoreDamagedError, match="no such table"):
        store.known_rows()


@pytest.mark.parametrize("version", [0, -1])
def test_a_database_of_another_program(data_dir: Path, version: int) -> None:
    data_dir.mkdir()
    other = raw(data_dir)
    other.execute("CREATE TABLE theirs (a)")
    other.execute(f"PRAGMA user_version = {version}")
    other.close()
    before = (data_dir / "hashes.sqlite3").read_bytes()
    with pytest.raises(StoreDamagedError):
        HashStore.open(data_dir)
    assert (data_dir / "hashes.sqlite3").read_bytes() == before


def test_newer(store: HashStore, data_dir: Path) -> None:
    store.close()
    other = raw(data_dir)
    other.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    other.close()
    with pytest.raises(StoreNewerError, match="update Nearfetch"):
        HashStore.open(data_dir)


def test_a_writer_in_the_way(store: HashStore, data_dir: Path) -> None:
    other = raw(data_dir)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreLockedError, match="locked by another program"):
        keep(store, "/a", b"a")
    other.execute("ROLLBACK")
    keep(store, "/a", b"a")
    other.close()


def test_locked_for_readers_too(store: HashStore, data_dir: Path) -> None:
    store.close()
    other = raw(data_dir)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreLockedError, match="wait for it"):
        HashStore.open(data_dir, busy_timeout_ms=50)
    other.close()
    HashStore.open(data_dir).close()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_not_a_file(data_dir: Path, kind: str) -> None:
    data_dir.mkdir()
    make: Callable[[Path], None] = os.mkfifo if kind == "pipe" else os.mkdir
    make(data_dir / "hashes.sqlite3")
    with pytest.raises(StoreError, match="not a regular file"):
        HashStore.open(data_dir)


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for data_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="is not a folder"):
            HashStore.open(data_dir)


def test_read_only_still_answers(unwritable: Path) -> None:
    with bound_by_mode_bits(), HashStore.open(unwritable) as store:
        assert [known.path for known in store.find([sha1(b"a")])] == ["/a"]
        assert store.statistics().files == 1
        with pytest.raises(StoreReadOnlyError, match="cannot be written"):
            keep(store, "/b", b"b")
        with pytest.raises(StoreReadOnlyError, match="cannot be written"):
            store.forget(1)
        with pytest.raises(StoreReadOnlyError, match="cannot be written"):
            store.require_writable()


def test_read_only_follows_a_writer(unwritable: Path) -> None:
    with bound_by_mode_bits():
        store = HashStore.open(unwritable)
    if os.geteuid() != 0:
        pytest.skip("only root can write there meanwhile")
    with HashStore.open(unwritable) as writer:
        keep(writer, "/b", b"b")
        for beside in unwritable.iterdir():
            beside.chmod(0o444)
        with bound_by_mode_bits():
            assert [known.path for known in store.find([sha1(b"b")])] == ["/b"]
    with bound_by_mode_bits():
        assert [known.path for known in store.find([sha1(b"b")])] == ["/b"]


def test_read_only_and_no_database() -> None:
    top = Path(tempfile.mkdtemp(prefix="nearfetch-test-"))
    top.chmod(0o555)
    with bound_by_mode_bits(), pytest.raises(StoreReadOnlyError):
        HashStore.open(top / "data")
    top.rmdir()


def test_read_only_on_the_command_line(unwritable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with bound_by_mode_bits():
        assert main(["--data-dir", str(unwritable), "lookup", str(sha1(b"a"))]) == 0
        assert main(["--data-dir", str(unwritable), "scan", str(unwritable)]) == 3
    output = capsys.readouterr()
    assert output.out == "/a\n"
    assert output.err.count("\n") == 1
    assert "make it and its folder writable" in output.err


@pytest.mark.parametrize("command", [["stats"], ["lookup", "ab" * 20], ["verify"]])
def test_faults_on_the_command_line(data_dir: Path, command: list[str]) -> None:
    missing = run(data_dir, *command)
    data_dir.mkdir()
    (data_dir / "hashes.sqlite3").write_bytes(b"nonsense" * 1000)
    damaged = run(data_dir, *command)
    for result, word in ((missing, "no hash database"), (damaged, "damaged")):
        assert (result.returncode, result.stdout) == (3, "")
        assert word in result.stderr
        assert str(data_dir) in result.stderr
        assert result.stderr.count("\n") == 1


def test_locked_on_the_command_line(store: HashStore, data_dir: Path) -> None:
    store.close()
    other = raw(data_dir)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    result = run(data_dir, "stats")
    other.close()
    assert result.returncode == 3
    assert "is locked by another program" in result.stderr
    assert "Traceback" not in result.stderr


def test_many_programs_may_make_the_database_at_once(data_dir: Path) -> None:
    code = "import sys; from pathlib import Path; from hashdb.store import HashStore; HashStore.open(Path(sys.argv[1]))"
    started = [subprocess.Popen([sys.executable, "-c", code, data_dir]) for _ in range(6)]
    assert [process.wait(timeout=60) for process in started] == [0] * 6
