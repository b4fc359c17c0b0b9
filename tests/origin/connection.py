"""A connection as the origin sees it: streams of asyncio, and the news that the peer is gone."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import cast

WRITE_LIMIT = 64 * 1024
"""Bytes that may wait in this process: what is counted as sent has nearly left."""
_LINGER_ZERO = struct.pack("ii", 1, 0)
_ACKNOWLEDGED_POLL = 0.002

type Serve = Callable[["Connection"], Awaitable[None]]

GONE = (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
"""What reads and writes raise when the peer went away or talks nonsense."""


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.left = cast("_WatchedProtocol", writer.transport.get_protocol()).left
        self._writer = writer
        writer.transport.set_write_buffer_limits(high=WRITE_LIMIT)

    @property
    def protocol(self) -> str | None:
        """What ALPN chose."""
        tls: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return tls.selected_alpn_protocol() if tls else None

    async def write(self, *parts: bytes | memoryview) -> None:
        """Return once the socket layer has all but WRITE_LIMIT bytes."""
        for part in parts:  # writelines() forgets about back-pressure in Python 3.13.0
            self._writer.write(part)
        await self._writer.drain()

    def close(self) -> None:
        """End in order: what was written still goes out."""
        self._writer.close()

    async def reset(self) -> None:
        """End with RST, after the peer's kernel has acknowledged every byte: a reset discards the rest."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        # the kernel tells this only to those who ask
        while not self.left.is_set() and (self._buffered() or _unacknowledged(raw)):  # noqa: ASYNC110
            await asyncio.sleep(_ACKNOWLEDGED_POLL)
        if not self.left.is_set():
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._writer.transport.abort()

    def _buffered(self) -> int:
        """Bytes that wait in this process, those under TLS included."""
        transport = self._writer.transport
        tls = getattr(transport, "_ssl_protocol", None)
        below: int = tls._transport.get_write_buffer_size() if tls and tls._transport else 0
        return transport.get_write_buffer_size() + below


def _unacknowledged(raw: socket.socket) -> int:
    """Bytes in the kernel's send queue (Linux; elsewhere 0, and a reset may cut earlier)."""
    try:
        import fcntl  # noqa: PLC0415
        import termios  # noqa: PLC0415

        answer = fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, bytes(4))
    except (ImportError, OSError, ValueError):
        return 0
    return int(struct.unpack("i", answer)[0])


class _WatchedProtocol(asyncio.StreamReaderProtocol):
    """Tells at once that the peer is gone, even while nobody reads or writes."""

    def __init__(self, serve: Serve) -> None:
        self.left = asyncio.Event()
        super().__init__(asyncio.StreamReader(), self._serve)
        self._serve_connection = serve

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        try:
            await self._serve_connection(connection)
        finally:
            connection.close()

    def eof_received(self) -> bool | None:
        self.left.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.left.set()
        super().connection_lost(exc)


def protocol_factory(serve: Serve) -> Callable[[], asyncio.Protocol]:
    """For `loop.create_server`; `serve` has the connection until it returns."""
    return lambda: _WatchedProtocol(serve)
