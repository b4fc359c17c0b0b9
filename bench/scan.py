"""A scan against `openssl dgst -sha1` plus `-sha256` on the same files: `python -m bench.scan [--size 2g]`.

Both sides read files that are in the page cache. The figure is bytes per CPU second, the whole process counted.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hashdb.sizes import format_size, parse_size

FILE_SIZE = 64 << 20
ROUNDS = 3
LEAST_RATIO = 0.9


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that processes took."""

    cpu: float
    wall: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cpu + other.cpu, self.wall + other.wall)


def measured(command: Sequence[str | Path]) -> Cost:
    """Run `command` to its end, its output thrown away. Raises RuntimeError where it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed with exit code {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, wall)


def require_program(name: str) -> str:
    """The path of a program to compare with; ends the bench where it is not installed."""
    path = shutil.which(name)
    if path is None:
        sys.exit(f"this bench compares with {name}: install it first")
    return path


def scan_command(data_dir: Path, folder: Path) -> list[str | Path]:
    """The scan of every file of `folder`."""
    return [sys.executable, "-m", "hashdb", "--data-dir", data_dir, "scan", folder, "--min-size", "1", "--json"]


def make_files(folder: Path, size: int) -> list[Path]:
    """Files of random bytes, together `size` bytes; written now, so in the page cache."""
    folder.mkdir()
    files = []
    for start in range(0, size, FILE_SIZE):
        file = folder / f"{start // FILE_SIZE:06}.bin"
        file.write_bytes(random.randbytes(min(FILE_SIZE, size - start)))
        files.append(file)
    return files


def compare(size: int, scratch: Path) -> tuple[Cost, Cost]:
    """The quickest of ROUNDS scans, and the quickest of as many runs of openssl."""
    openssl = require_program("openssl")
    files = make_files(scratch / "files", size)
    scans, digests = [], []
    for number in range(ROUNDS):
        scans.append(measured(scan_command(scratch / f"data-{number}", scratch / "files")))
        digests.append(measured([openssl, "dgst", "-sha1", *files]) + measured([openssl, "dgst", "-sha256", *files]))
    return min(scans, key=lambda cost: cost.wall), min(digests, key=lambda cost: cost.wall)


def table(size: int, scan: Cost, openssl: Cost) -> Table:
    """Both sides, and the scan's figures over openssl's."""
    shown = Table("", "MB per CPU second", "cores used", "seconds", title=f"hashing {format_size(size)}")
    for name, cost in (("nearfetch-hashdb scan", scan), ("openssl dgst, -sha1 + -sha256", openssl)):
        speed = size / 1e6 / cost.cpu
        shown.add_row(name, f"{speed:.0f}", f"{cost.cpu / cost.wall:.2f}", f"{cost.wall:.2f}")
    shown.add_row("ratio", f"{openssl.cpu / scan.cpu:.2f}", "", f"{scan.wall / openssl.wall:.2f}", style="bold")
    shown.add_row("wanted", f"at least {LEAST_RATIO}", f"all of {os.cpu_count()}", "")
    return shown


def main() -> None:
    """Measure, and print a table. Other work on the machine shows in the cores that are used."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=parse_size, default="2g", help="bytes to hash, like 2g (2g)")
    size: int = parser.parse_args().size
    with tempfile.TemporaryDirectory(prefix="nearfetch-bench-") as scratch:
        scan, openssl = compare(size, Path(scratch))
    Console().print(table(size, scan, openssl))


if __name__ == "__main__":
    main()
