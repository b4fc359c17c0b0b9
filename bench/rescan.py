"""A rescan of unchanged files against `find` on the same files: `python -m bench.rescan [--files 100000]`.

Both sides find the folders in the cache, and the whole process counts, the interpreter's start included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.scan import Cost, measured, require_program, scan_command

FOLDERS = 1000
FILE_SIZE = 64
ROUNDS = 5
MOST_RATIO = 5.0


def make_files(folder: Path, count: int) -> None:
    """`count` small files that all differ, spread over FOLDERS folders."""
    for number in range(FOLDERS):
        (folder / f"{number:04}").mkdir(parents=True)
    for number in range(count):
        file = folder / f"{number % FOLDERS:04}" / f"{number:08}.bin"
        file.write_bytes(number.to_bytes(FILE_SIZE))


def scan_until_nothing_changes(data_dir: Path, folder: Path) -> None:
    """The first scan hashes all; the next one those that it had hashed too soon after they were written."""
    hashed = 1
    while hashed:
        output = subprocess.run(scan_command(data_dir, folder), check=True, capture_output=True).stdout
        hashed = json.loads(output.splitlines()[-1])["hashed"]


def compare(count: int, scratch: Path) -> tuple[Cost, Cost]:
    """The quickest of ROUNDS rescans, and the quickest of as many runs of find."""
    find = require_program("find")
    files, data_dir = scratch / "files", scratch / "data"
    make_files(files, count)
    scan_until_nothing_changes(data_dir, files)
    scans, finds = [], []
    for _ in range(ROUNDS):
        finds.append(measured([find, files, "-type", "f", "-printf", "%s %T@\n"]))
        scans.append(measured(scan_command(data_dir, files)))
    return min(scans, key=lambda cost: cost.wall), min(finds, key=lambda cost: cost.wall)


def table(count: int, scan: Cost, find: Cost) -> Table:
    """Both sides, and the scan's times over find's."""
    shown = Table("", "seconds", "CPU seconds", title=f"{count} unchanged files")
    for name, cost in (("nearfetch-hashdb scan", scan), ("find -printf '%s %T@'", find)):
        shown.add_row(name, f"{cost.wall:.3f}", f"{cost.cpu:.3f}")
    shown.add_row("ratio", f"{scan.wall / find.wall:.2f}", f"{scan.cpu / find.cpu:.2f}", style="bold")
    shown.add_row("wanted", f"at most {MOST_RATIO}", "")
    return shown


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000, help="how many files (100000)")
    count: int = parser.parse_args().files
    with tempfile.TemporaryDirectory(prefix="nearfetch-bench-") as scratch:
        scan, find = compare(count, Path(scratch))
    Console().print(table(count, scan, find))


if __name__ == "__main__":
    main()
