"""tools/find-python, run for real with a PATH, HOME and PYENV_ROOT of the test's own."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "find-python"
REAL_PYTHON: str = getattr(sys, "_base_executable", sys.executable)

OLD = 'sys.version_info = (3, 11, 7, "final", 0)'
UNSELECTED_SHIM = '#!/bin/sh\necho "pyenv: ${0##*/}: command not found" >&2\nexit 127\n'


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def interpreter(path: Path, pretends: str = "pass") -> Path:
    """A Python that is the real one, but for what the statement `pretends` changes before `-c CODE` runs."""
    run = f"import sys; {pretends}; exec(sys.argv[2])"
    return program(path, f"#!/bin/sh\nexec '{REAL_PYTHON}' -c '{run}' \"$@\"\n")


def find(home: Path, *path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    env = {"HOME": str(home), "PATH": ":".join(map(str, path)), **env}
    return subprocess.run([SCRIPT], env=env, capture_output=True, text=True, timeout=30, check=False)


def found(home: Path, *path: Path, **env: str) -> Path:
    done = find(home, *path, **env)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.removesuffix("\n"))


@pytest.mark.parametrize(
    ("present", "chosen"),
    [
        (["python", "python3", "python3.12", "python3.13", "python3.14"], "python3.13"),
        (["python3", "python3.12", "python3.14"], "python3.12"),
        (["python3", "python3.14"], "python3.14"),
        (["python", "python3"], "python3"),
        (["python"], "python"),
    ],
)
def test_the_best_tried_version_comes_first(tmp_path: Path, present: list[str], chosen: str) -> None:
    folder = tmp_path / "a folder"
    for name in present:
        interpreter(folder / name)
    assert found(tmp_path, folder) == folder / chosen


def test_a_shim_that_fails_is_passed_over_and_hides_nothing_behind_it(tmp_path: Path) -> None:
    shims, usr = tmp_path / "shims", tmp_path / "usr"
    program(shims / "python3.13", UNSELECTED_SHIM)
    program(shims / "python3.12", UNSELECTED_SHIM)
    good = interpreter(usr / "python3.12")
    assert found(tmp_path, shims, usr) == good


@pytest.mark.parametrize(
    "pretends",
    [OLD, 'sys.modules["ensurepip"] = None', 'sys.modules["ssl"] = None', 'sys.abiflags = "t"'],
    ids=["old", "no ensurepip", "no ssl", "free-threaded"],
)
def test_an_interpreter_that_could_not_carry_a_venv_is_passed_over(tmp_path: Path, pretends: str) -> None:
    interpreter(tmp_path / "python3.13", pretends)
    good = interpreter(tmp_path / "python3")
    assert found(tmp_path, tmp_path) == good


@pytest.mark.parametrize("root", [".pyenv", "py env"])
def test_pyenv_gives_its_newest_that_fits_when_path_has_none(tmp_path: Path, root: str) -> None:
    interpreter(tmp_path / "bin" / "python3", OLD)
    versions = tmp_path / root / "versions"
    for version in ("2.7.18", "3.11.7"):
        interpreter(versions / version / "bin" / "python", OLD)
    for version in ("3.12.1", "3.13.9", "3.13.10", "3.14.0"):
        interpreter(versions / version / "bin" / "python")
    program(versions / "3.13.11" / "bin" / "python", UNSELECTED_SHIM)
    env = {} if root == ".pyenv" else {"PYENV_ROOT": str(tmp_path / root)}
    assert found(tmp_path, tmp_path / "bin", **env) == versions / "3.13.10" / "bin" / "python"


def test_of_an_active_venv_the_interpreter_beneath_is_taken(tmp_path: Path) -> None:
    interpreter(tmp_path / "python3", 'sys.prefix = "/venv"; sys._base_executable = "/base/python3.13"')
    assert found(tmp_path, tmp_path) == Path("/base/python3.13")


def test_the_variable_python_comes_first(tmp_path: Path) -> None:
    interpreter(tmp_path / "python3.13")
    named = interpreter(tmp_path / "mine" / "python")
    assert found(tmp_path, tmp_path, PYTHON=str(named)) == named


def test_an_unfit_variable_python_is_an_error_and_nothing_else_is_taken(tmp_path: Path) -> None:
    interpreter(tmp_path / "python3.13")
    named = interpreter(tmp_path / "mine" / "python", OLD)
    old = find(tmp_path, tmp_path, PYTHON=str(named))
    absent = find(tmp_path, tmp_path, PYTHON="python9")
    assert (old.returncode, old.stdout) == (1, "")
    assert f"{named} is Python 3.11" in old.stderr
    assert (absent.returncode, absent.stdout) == (1, "")
    assert "no such program" in absent.stderr


def test_uv_is_asked_last_and_told_to_install_only_when_it_has_none(tmp_path: Path) -> None:
    managed = tmp_path / "managed" / "python3.13"
    uv = f"""#!/bin/sh
[ "$1 $2" = "python install" ] && {{ : >'{tmp_path}/installed'; exit 0; }}
[ -e '{tmp_path}/installed' ] && echo '{managed}'
"""
    program(tmp_path / "bin" / "uv", uv)
    interpreter(managed)
    before = find(tmp_path, tmp_path / "bin")
    assert (before.returncode, before.stdout) == (0, f"{managed}\n")
    assert "install 3.13" in before.stderr
    after = find(tmp_path, tmp_path / "bin")
    assert (after.returncode, after.stdout, after.stderr) == (0, f"{managed}\n", "")


def test_where_there_is_none_it_says_what_was_tried_and_what_to_install(tmp_path: Path) -> None:
    program(tmp_path / "python3.13", UNSELECTED_SHIM)
    interpreter(tmp_path / "python3.12", 'sys.modules["ensurepip"] = None')
    interpreter(tmp_path / "python3", OLD)
    done = find(tmp_path, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    for line in (
        f"{tmp_path}/python3.13 does not run",
        f"{tmp_path}/python3.12 lacks the module ensurepip (Debian, Ubuntu: apt install python3-venv)",
        f"{tmp_path}/python3 is Python 3.11",
        "apt install python3 python3-venv",
        "dnf install python3.13",
        "brew install python@3.13",
        "uv python install 3.13",
        "pyenv install 3.13",
        "PYTHON=",
    ):
        assert line in done.stderr
