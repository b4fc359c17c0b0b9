"""tools/venv, run for real on a base interpreter that only pretends to make venvs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "venv"
REAL_PYTHON: str = getattr(sys, "_base_executable", sys.executable)

# In the venv that it makes, "python" ends with the status that the file pip-status holds, or runs well.
BASE = f"""#!/bin/sh
[ "$1 $2" = "-m venv" ] || exec '{REAL_PYTHON}' "$@"
mkdir -p "$3/bin"
cat >"$3/bin/python" <<'END'
#!/bin/sh
[ "$1 $2" != "-m pip" ] || exit "$(cat pip-status 2>/dev/null || echo 0)"
END
chmod 755 "$3/bin/python"
"""


class Checkout:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / ".venv"
        folder.mkdir()
        (folder / "base").write_text(BASE)
        (folder / "base").chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHON": str(self.folder / "base")}
        return subprocess.run(
            [SCRIPT, *arguments],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def make(self) -> bool:
        """True if .venv was made anew."""
        kept = self.venv / "kept"
        if self.venv.exists():
            kept.touch()
        done = self.run("make")
        assert done.returncode == 0, done.stderr
        return not kept.exists()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = Checkout(tmp_path / "a checkout")
    assert checkout.make()
    return checkout


def ended_process() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_a_venv_that_works_is_not_touched(checkout: Checkout) -> None:
    stamp = checkout.venv / "python.stamp"
    before = stamp.stat().st_mtime_ns
    assert not checkout.make()
    assert stamp.stat().st_mtime_ns == before


def test_a_venv_made_by_hand_is_kept(checkout: Checkout) -> None:
    (checkout.venv / "python.stamp").unlink()
    assert not checkout.make()
    assert (checkout.venv / "python.stamp").exists()


def test_a_venv_whose_interpreter_is_gone_is_made_anew(checkout: Checkout) -> None:
    python = checkout.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python3.13")
    assert checkout.make()


def test_a_moved_checkout_gets_a_new_venv(checkout: Checkout) -> None:
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved"))
    checkout.venv = checkout.folder / ".venv"
    assert checkout.make()


def test_a_venv_in_which_pip_was_cut_off_is_made_anew(checkout: Checkout) -> None:
    (checkout.folder / "pip-status").write_text("137")
    assert checkout.run("install", "x").returncode == 137
    (checkout.venv / "unfinished").write_text(f"{ended_process()}\n")
    assert checkout.make()
    assert not checkout.make()


def test_a_failure_that_pip_reports_itself_costs_no_venv(checkout: Checkout) -> None:
    (checkout.folder / "pip-status").write_text("1")
    assert checkout.run("install", "x").returncode == 1
    assert not checkout.make()


def test_a_venv_that_another_make_is_filling_is_left_to_it(checkout: Checkout) -> None:
    with subprocess.Popen(["sleep", "30"]) as other:
        (checkout.venv / "unfinished").write_text(f"{other.pid}\n")
        done = checkout.run("make")
        other.kill()
    assert done.returncode == 1
    assert f"process {other.pid}" in done.stderr
    assert (checkout.venv / "bin" / "python").exists()


def test_without_an_interpreter_the_old_venv_stays(checkout: Checkout) -> None:
    (checkout.venv / "unfinished").write_text(f"{ended_process()}\n")
    (checkout.folder / "base").unlink()
    done = checkout.run("make")
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert checkout.venv.exists()
