"""Files and databases that the tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hashdb.store import HashStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to scan."""
    made = tmp_path / "files"
    made.mkdir()
    return made


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def store(data_dir: Path) -> Iterator[HashStore]:
    with HashStore.open(data_dir, busy_timeout_ms=50) as opened:
        yield opened
