"""The loopback origin, proxies, and a file worth downloading."""

import contextlib
import functools
import hashlib
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from hashdb.digest import ContentHasher, ContentSums
from hashdb.fingerprint import Fingerprint
from hashdb.store import HashStore
from tests.origin import Origin, Resource
from tests.origin.resources import Content
from tests.system.processes import NEARFETCH, Proxy, Setting

MIB = 1024 * 1024
PAYLOAD_SIZE = 64 * MIB


@functools.cache
def random_content(size: int, seed: int = 11) -> bytes:
    """Bytes that do not compress, the same in every run."""
    return random.Random(seed).randbytes(size)


def sums_of(content: Content) -> ContentSums:
    """What a scan finds in this content."""
    if isinstance(content, bytes):
        return _sums_of_bytes(content)
    hasher = ContentHasher()
    with content.open("rb") as file:
        while block := file.read(4 * MIB):
            hasher.update(block)
    return hasher.finish()


@functools.lru_cache(32)
def _sums_of_bytes(content: bytes) -> ContentSums:
    hasher = ContentHasher()
    hasher.update(content)
    return hasher.finish()


def claim(content: Content) -> list[tuple[str, str]]:
    """A response header that names the content's SHA-1."""
    return [("X-Checksum-Sha1", sums_of(content).sha1.value.hex())]


def index_file(data_dir: Path, path: Path, sums: ContentSums | None = None) -> ContentSums:
    """Put a file into the hash database as a scan would, with the fingerprint that it has now.

    With `sums` the record says those, whatever the file holds.
    """
    found = sums or sums_of(path)
    with HashStore.open(data_dir) as store:
        store.record(str(path), Fingerprint.of(path.stat()), time.time_ns(), found)
    return found


def indexed_paths(data_dir: Path) -> set[str]:
    """The files that the hash database knows."""
    with HashStore.open(data_dir, create=False) as store:
        return {row.path for row in store.known_rows()}


def wait_until(holds: Callable[[], bool], what: str, timeout: float = 10.0) -> None:
    """For what cannot wake a waiter: another process's files and descriptors. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {timeout} s: {what}")
        time.sleep(0.02)


@dataclass
class Site:
    """An origin, and a proxy in front of it that knows the files in `folder`."""

    origin: Origin
    proxy: Proxy
    folder: Path
    resources: dict[str, Resource] = field(default_factory=dict, repr=False)
    """What was offered, by path, for its switches."""
    _count: int = field(default=0, repr=False)

    def hold(self, content: Content, name: str = "") -> Path:
        """Lay a copy into the folder and index it; what is indexed of the same content is dropped."""
        self._count += 1
        path = self.folder / (name or f"held {self._count}.bin")
        path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        index_file(self.proxy.data_dir, path)
        return path

    def offer(self, content: Content, **switches: Any) -> str:
        """Serve it, under the path that is returned; its SHA-1 is in a header, unless `headers` says otherwise."""
        self._count += 1
        path = f"/file-{self._count}"
        self.resources[path] = self.origin.add(path, content, **({"headers": claim(content)} | switches))
        return path

    def is_open(self, path: Path) -> bool:
        """Whether the proxy has the file open (Linux)."""
        descriptors = Path(f"/proc/{self.proxy.pid}/fd").iterdir()
        return any(_target(each) == str(path) for each in descriptors)

    def forget_all(self) -> None:
        """Empty the hash database."""
        with HashStore.open(self.proxy.data_dir) as store:
            store.apply([], [row.file_id for row in store.known_rows()])

    def delivered(self, path: str, start: int = 0) -> str:
        """What the log says became of the download of this path, as soon as it is there."""
        return self.proxy.wait_for_log(rf"Nearfetch: \S+{re.escape(path)} (\w+: .*)$", start=start)[1]


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:  # closed meanwhile
        return ""


class ProxyFactory(Protocol):
    """Starts a proxy that trusts the test's origin, or `origin_ca` instead; it ends with the test.

    Options are Nearfetch's, without their prefix. A folder of an earlier proxy makes it a restart.
    """

    def __call__(
        self,
        *,
        folder: Path | None = None,
        command: Sequence[str] = NEARFETCH,
        arguments: Sequence[str] = (),
        origin_ca: Path | None = None,
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
            origin_ca: Path | None = None,
            **options: Setting,
        ) -> Proxy:
            proxy = Proxy(
                folder or tmp_path / f"proxy-{len(started)}",
                origin_ca=origin_ca or origin.ca_file,
                command=command,
                arguments=arguments,
                **options,  # type: ignore[arg-type]  # mypy offers them to the named ones too
            )
            started.append(proxy)
            return running.enter_context(proxy)

        yield start
    for proxy in started:
        sys.stdout.write(f"{proxy.log_file}:\n{proxy.log}\n")  # pytest shows it where a test failed


@contextlib.contextmanager
def open_site(folder: Path, *, arguments: Sequence[str] = (), **options: Setting) -> Iterator[Site]:
    """Files of 1 MiB and more are touched. The origin sends 50 MB a second."""
    held = folder / "held"
    held.mkdir()
    with Origin(rate=50e6) as running:
        settings: dict[str, Any] = {"min_size": "1m"} | options
        proxy = Proxy(folder / "proxy", origin_ca=running.ca_file, arguments=arguments, **settings)
        with HashStore.open(proxy.data_dir), proxy:
            yield Site(running, proxy, held)
    sys.stdout.write(f"{proxy.log_file}:\n{proxy.log}\n")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests of a file."""
    with open_site(tmp_path_factory.mktemp("site")) as opened:
        yield opened


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
