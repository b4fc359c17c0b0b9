"""All benches, one after the other: `python -m bench`, `make bench`."""

from __future__ import annotations

import subprocess
import sys

BENCHES = ("bench.delivery", "bench.scan", "bench.rescan")


def main() -> None:
    """Run each in a process of its own; exit 1 if one fails."""
    codes = [subprocess.run([sys.executable, "-m", name], check=False).returncode for name in BENCHES]
    sys.exit(1 if any(codes) else 0)


if __name__ == "__main__":
    main()
