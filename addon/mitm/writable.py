"""When a client can take more bytes, and when its upstreams may be read on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mitmproxy.connection import Client
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection
from mitmproxy.proxy.server import ConnectionHandler

if TYPE_CHECKING:
    from addon.mitm.takeover import Takeover

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
        self._abandoned = asyncio.Event()
        self._moved = asyncio.Event()

    def abandon(self) -> None:
        """Wake the waiter: nobody listens any more."""
        self._abandoned.set()
        self._moved.set()

    def moved(self) -> None:
        """The client said something; its HTTP/2 window may have grown."""
        self._moved.set()

    async def writable(self) -> None:
        """Return when the client's buffers are nearly empty. Raises ClientGoneError."""
        await self._drain_socket()
        while self._http2_backlog() > LOW_WATER:
            self._moved.clear()
            await self._within_patience(self._moved.wait())
            await self._drain_socket()

    def _http2_backlog(self) -> int:
        if self._http2 is None:
            return 0
        waiting = self._http2.stream_buffers.get(self._stream_id, ())
        return sum(len(chunk.data) for chunk in waiting)

    async def _drain_socket(self) -> None:
        io = self._handler.transports.get(self.client)
        if self._abandoned.is_set() or io is None or io.writer is None or io.writer.is_closing():
            raise ClientGoneError("Client disconnected.")
        drain = asyncio.ensure_future(io.writer.drain())
        abandoned = asyncio.ensure_future(self._abandoned.wait())
        try:
            await self._within_patience(asyncio.wait({drain, abandoned}, return_when="FIRST_COMPLETED"))
            if not drain.done():
                raise ClientGoneError("Client disconnected.")
            await drain
        except OSError as error:
            raise ClientGoneError("Client disconnected.") from error
        finally:
            drain.cancel()
            abandoned.cancel()

    async def _within_patience(self, waiting: object) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await waiting  # type: ignore[misc]
        except TimeoutError:
            raise ClientGoneError(f"Client took nothing for {self._patience:.0f} s.") from None
        if self._abandoned.is_set():
            raise ClientGoneError("Client disconnected.")


def hold_upstreams(handler: ConnectionHandler, active: Callable[[], Iterable[Takeover]]) -> None:
    """Make the handler's upstream readers wait while a body that they feed wants no more.

    mitmproxy calls `drain_writers` after each read of each connection. The client's own reader never waits:
    it is the one that brings window updates and the news that the client left.
    """
    drain = handler.drain_writers

    async def drain_writers() -> None:
        reader = asyncio.current_task()
        connection = next((c for c, io in handler.transports.items() if io.handler is reader), None)
        if connection is not None and connection is not handler.client:
            for takeover in list(active()):
                # Behind an upstream proxy the transport's connection is not the flow's: hold it too.
                if takeover.flow.server_conn is connection or takeover.flow.server_conn not in handler.transports:
                    await takeover.body.flowing.wait()
        await drain()  # type: ignore[no-untyped-call]

    handler.drain_writers = drain_writers  # type: ignore[method-assign]
