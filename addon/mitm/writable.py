"""When a client can take more bytes."""

from __future__ import annotations

import asyncio

from mitmproxy.connection import Client
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection
from mitmproxy.proxy.server import ConnectionHandler

LOW_WATER = 128 << 10
"""Bytes of one HTTP/2 stream that may wait for the client's window when the next block is made."""


class ClientGoneError(Exception):
    """The client's connection is closed, or took nothing for too long."""


class ClientWriter:
    """Waits for one stream of one client to be writable."""

    def __init__(
        self,
        handler: ConnectionHandler,
        client: Client,
        http2: BufferedH2Connection | None,
        stream_id: int,
        patience: float,
    ) -> None:
        """`patience`: seconds that the client may take nothing before it counts as gone."""
        self.client = client
        self._handler = handler
        self._http2 = http2
        self._stream_id = stream_id
        self._patience = patience
        self._abandoned = False
        self._moved = asyncio.Event()

    def abandon(self) -> None:
        """Nobody listens any more. A waiter for the socket is woken by the socket, which closes or drains."""
        self._abandoned = True
        self._moved.set()

    def moved(self) -> None:
        """The client said something; its HTTP/2 window may have grown."""
        self._moved.set()

    async def writable(self) -> None:
        """Return when the client's buffers are nearly empty. Raises ClientGoneError."""
        await self._drain_socket()
        while self._http2_backlog() > LOW_WATER:
            await self._window_update()
            await self._drain_socket()

    def _http2_backlog(self) -> int:
        if self._http2 is None:
            return 0
        waiting = self._http2.stream_buffers.get(self._stream_id, ())
        return sum(len(chunk.data) for chunk in waiting)

    async def _drain_socket(self) -> None:
        io = self._handler.transports.get(self.client)
        if self._abandoned or io is None or io.writer is None or io.writer.is_closing():
            raise ClientGoneError("Client disconnected.")
        try:
            async with asyncio.timeout(self._patience):
                await io.writer.drain()
        except OSError as error:
            raise self._gone(error) from error
        if self._abandoned:
            raise ClientGoneError("Client disconnected.")

    async def _window_update(self) -> None:
        self._moved.clear()
        try:
            async with asyncio.timeout(self._patience):
                await self._moved.wait()
        except TimeoutError as error:
            raise self._gone(error) from error

    def _gone(self, error: OSError) -> ClientGoneError:
        if isinstance(error, TimeoutError):
            return ClientGoneError(f"Client took nothing for {self._patience:.0f} s.")
        return ClientGoneError("Client disconnected.")
