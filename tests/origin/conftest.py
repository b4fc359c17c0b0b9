"""The origin, and curl straight from it."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.origin import Origin, Resource
from tests.origin.server import Scheme
from tests.system.clients import Result, curl

CONTENT = random.Random(3).randbytes(3_000_000)
SCHEMES: list[Scheme] = ["http", "https", "h2"]


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture
def resource(origin: Origin) -> Resource:
    return origin.add("/file", CONTENT)


class Fetch:
    """curl, straight from the origin."""

    def __init__(self, origin: Origin, folder: Path) -> None:
        self._origin = origin
        self._path = folder / "out"

    def __call__(self, scheme: Scheme = "http", *extra: str, path: str = "/file", **headers: str) -> Result:
        self._path.unlink(missing_ok=True)
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        url, ca = self._origin.url(path, scheme), self._origin.ca_file
        return curl(url, self._path, ca=ca, http2=scheme == "h2", headers=pairs, extra=extra)


@pytest.fixture
def fetch(origin: Origin, resource: Resource, tmp_path: Path) -> Fetch:
    return Fetch(origin, tmp_path)
