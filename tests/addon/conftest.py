"""What the tests of bodies share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.addon.held import Disk


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Threads that read files."""
    with Disk() as threads:
        yield threads
