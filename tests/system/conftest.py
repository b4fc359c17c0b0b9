"""The loopback origin, proxies, and a file worth downloading."""

import contextlib
import hashlib
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from tests.origin import Origin
from tests.system.processes import NEARFETCH, Proxy, Setting

MIB = 1024 * 1024
PAYLOAD_SIZE = 64 * MIB


class ProxyFactory(Protocol):
    """Starts a proxy that trusts the test's origin; it ends with the test.

    Options are Nearfetch's, without their prefix. A folder of an earlier proxy makes it a restart.
    """

    def __call__(
        self,
        *,
        folder: Path | None = None,
        command: Sequence[str] = NEARFETCH,
        arguments: Sequence[str] = (),
        **options: Setting,
    ) -> Proxy: ...


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture
def proxy_factory(origin: Origin, tmp_path: Path) -> Iterator[ProxyFactory]:
    started: list[Proxy] = []
    with contextlib.ExitStack() as running:

        def start(
            *,
            folder: Path | None = None,
            command: Sequence[str] = NEARFETCH,
            arguments: Sequence[str] = (),
            **options: Setting,
        ) -> Proxy:
            proxy = Proxy(
                folder or tmp_path / f"proxy-{len(started)}",
                origin_ca=origin.ca_file,
                command=command,
                arguments=arguments,
                **options,  # type: ignore[arg-type]  # mypy offers them to the named ones too
            )
            started.append(proxy)
            return running.enter_context(proxy)

        yield start
    for proxy in started:
        sys.stdout.write(f"{proxy.log_file}:\n{proxy.log}\n")  # pytest shows it where a test failed


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """An empty folder for what clients write."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def payload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 MiB that do not compress, the same in every run."""
    path = tmp_path_factory.mktemp("payload") / "payload.bin"
    source = random.Random(7)
    with path.open("wb") as file:
        for _ in range(PAYLOAD_SIZE // MIB):
            file.write(source.randbytes(MIB))
    return path


@pytest.fixture(scope="session")
def payload_sha1(payload: Path) -> str:
    """In hexadecimal."""
    return _digest(payload, "sha1")


@pytest.fixture(scope="session")
def payload_sha256(payload: Path) -> str:
    """In hexadecimal."""
    return _digest(payload, "sha256")


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
