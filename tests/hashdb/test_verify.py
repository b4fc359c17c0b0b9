from __future__ import annotations

import os
import threading
from pathlib import Path

from hashdb.progress import Progress
from hashdb.store import HashStore
from hashdb.verify import Condition, Verification, verify
from tests.hashdb.scenes import MIB, fingerprint, paths, scan_all, sums, write


def conditions(verification: Verification) -> dict[str, Condition]:
    return {Path(finding.row.path).name: finding.condition for finding in verification.bad}


def test_sound_files_are_read_whole(store: HashStore, folder: Path) -> None:
    for size in (0, 1, MIB, 3 * MIB + 1):
        write(folder / str(size), os.urandom(size))
    scan_all(store, folder, min_size=0)
    verification = verify(store, jobs=2)
    assert (verification.sound, verification.size, verification.bad) == (4, 4 * MIB + 2, [])
    assert len(paths(store)) == 4


def test_says_what_is_wrong_and_drops_the_record(store: HashStore, folder: Path, tmp_path: Path) -> None:
    for name in ("sound", "changed", "missing", "unmounted/file"):
        write(folder / name, b"content of " + name.encode())
    scan_all(store, folder)
    (folder / "changed").write_bytes(b"something else")
    (folder / "missing").unlink()
    (folder / "unmounted").rename(tmp_path / "elsewhere")
    content = os.urandom(3 * MIB)
    rotten = write(folder / "rotten", content)
    # What a failing disk does: other bytes, and nothing that stat could tell.
    spoilt = content[: 2 * MIB] + bytes(MIB)
    store.record(str(rotten), fingerprint(rotten), 0, sums(spoilt))
    verification = verify(store)
    assert conditions(verification) == {
        "changed": Condition.CHANGED,
        "missing": Condition.MISSING,
        "file": Condition.UNREACHABLE,
        "rotten": Condition.ROTTEN,
    }
    assert [f"byte {2 * MIB}" in finding.detail for finding in verification.bad].count(True) == 1
    assert paths(store) == {str(folder / "sound"), str(folder / "unmounted/file")}
    assert {condition: verification.count(condition) for condition in Condition} == dict.fromkeys(Condition, 1)


def test_a_record_whose_length_is_not_the_files(store: HashStore, folder: Path) -> None:
    file = write(folder / "a", bytes(MIB))
    store.record(str(file), fingerprint(file), 0, sums(bytes(2 * MIB)))
    assert conditions(verify(store)) == {"a": Condition.ROTTEN}


def test_stops_when_told(store: HashStore, folder: Path) -> None:
    for number in range(5):
        write(folder / str(number), bytes(MIB))
    scan_all(store, folder)
    stop = threading.Event()

    def stop_after_two(moment: Progress) -> None:
        if moment.files_done == 2:
            stop.set()

    verification = verify(store, jobs=1, on_progress=stop_after_two, stop=stop)
    assert (verification.interrupted, verification.sound) == (True, 2)
    assert len(paths(store)) == 5
