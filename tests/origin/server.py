"""The origin: three listeners in a thread of their own, and what tests ask of them."""

import asyncio
import socket
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from tests.origin.accounting import Record
from tests.origin.certificates import server_context, write_authority
from tests.origin.connection import GONE, Connection, protocol_factory
from tests.origin.http1 import Http1Connection
from tests.origin.http2 import Http2Connection
from tests.origin.resources import Content, Cut, Resource
from tests.origin.sending import Site

type Scheme = Literal["http", "https", "h2"]

SEND_BUFFER = 128 * 1024
"""Asked of the kernel for each socket (Linux doubles it), so that little of what was counted waits there."""
_ALPN: dict[Scheme, tuple[str, ...]] = {"http": (), "https": ("http/1.1",), "h2": ("h2", "http/1.1")}


class Origin:
    """Serves its resources over plain HTTP/1.1, HTTP/1.1 under TLS and HTTP/2, on ports of 127.0.0.1.

    A context manager; its other members may be used from any thread.
    """

    def __init__(self, *, rate: float | None = None) -> None:
        self._site = Site(rate=rate)
        self._folder = tempfile.TemporaryDirectory(prefix="origin-")
        self._ports: dict[Scheme, int] = {}
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="origin", daemon=True)
        self._failures: list[Exception] = []
        self.ca_file = write_authority(Path(self._folder.name))
        """PEM of the authority that clients must trust."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._folder.cleanup()
        if self._failures and error is None:
            raise ExceptionGroup("the origin itself failed", self._failures)

    def add(self, path: str, content: Content, **switches: Any) -> Resource:
        """Serve the content, bytes or a file, under the path; switches are the fields of Resource."""
        resource = Resource(content, **switches)
        self._site.resources[path] = resource
        return resource

    def remove(self, path: str) -> None:
        del self._site.resources[path]

    def url(self, path: str, scheme: Scheme = "http", host: str = "127.0.0.1") -> str:
        """`scheme` chooses the listener: http, https (only HTTP/1.1) or h2 (HTTP/2, or HTTP/1.1)."""
        return f"{'http' if scheme == 'http' else 'https'}://{host}:{self._ports[scheme]}{path}"

    @property
    def rate(self) -> float | None:
        """Bytes per second of all bodies together; None is as fast as it goes."""
        return self._site.rate

    @rate.setter
    def rate(self, rate: float | None) -> None:
        self._site.rate = rate

    @property
    def requests(self) -> list[Record]:
        """All so far, in their order."""
        with self._site.ledger.changed:
            return list(self._site.ledger.records)

    @property
    def body_bytes(self) -> int:
        """Bytes of all bodies that the socket layer took."""
        return self._site.ledger.body_bytes

    @property
    def open_connections(self) -> int:
        return self._site.ledger.open_connections

    def reset_counts(self) -> None:
        """Forget requests and bytes; what is still being sent counts from zero."""
        self._site.ledger.reset()

    def wait_for(self, predicate: Callable[[], bool], timeout: float = 10.0) -> None:
        """Return as soon as the predicate holds; TimeoutError after `timeout` seconds."""
        self._site.ledger.wait_for(predicate, timeout)

    def release(self, cut: Cut) -> None:
        """Let a body go on that a cut of kind "hold" holds, or will hold."""
        self._loop.call_soon_threadsafe(cut.released.set)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop.set_exception_handler(self._on_exception)
        servers = [await self._listen(scheme) for scheme in _ALPN]
        self._ready.set()
        await self._stopping.wait()
        for server in servers:
            server.close()

    async def _listen(self, scheme: Scheme) -> asyncio.Server:
        listener = socket.socket(
            socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
        )  # so that asyncio sets TCP_NODELAY
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.bind(("127.0.0.1", 0))
        self._ports[scheme] = listener.getsockname()[1]
        tls = None if scheme == "http" else server_context(*_ALPN[scheme])
        return await self._loop.create_server(
            protocol_factory(self._serve_connection),
            sock=listener,
            ssl=tls,
            ssl_shutdown_timeout=None if tls is None else 1.0,
        )

    async def _serve_connection(self, connection: Connection) -> None:
        number = self._site.ledger.connect()
        speaker = Http2Connection if connection.protocol == "h2" else Http1Connection
        try:
            await speaker(self._site, connection, number).serve()
        finally:
            self._site.ledger.disconnect()

    def _on_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What this package's code raises fails the test; what asyncio has with dying sockets does not."""
        error = context.get("exception")
        if not isinstance(error, Exception) or isinstance(error, GONE):
            return
        sources = {frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)}
        if any(Path(source).parent == Path(__file__).parent for source in sources):
            self._failures.append(error)
