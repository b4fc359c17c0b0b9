"""What `make` says of itself."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_make(*arguments: str) -> str:
    command = ["make", "--no-print-directory", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def test_help_tells_of_every_target() -> None:
    phony = re.findall(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = " ".join(phony).split()
    told = dict(re.findall(r"^  (\w+)\s+(\S.*)$", run_make("help"), re.MULTILINE))
    assert targets
    assert sorted(told) == sorted(targets)


def test_help_is_what_a_bare_make_prints() -> None:
    assert run_make() == run_make("help")
