"""Connections of our own to a flow's origin, through mitmproxy, so that its upstream settings hold.

The client's own connection handler is the wrong place: it cancels every upstream when its client leaves, and lets
only five connections to an address be. So there are headless handlers, as mitmproxy's replay has them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mitmproxy import http
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, server
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.http import _base as base
from mitmproxy.proxy.layers.http import _events as wire
from mitmproxy.proxy.layers.http import _hooks as http_hooks
from mitmproxy.proxy.mode_specs import UpstreamMode

from addon.mitm.own_request import HeadlessRequest
from addon.ports import Answer

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Requests that may be under way at once on one HTTP/2 connection."""

NOT_REPEATED = (
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "content-length",
    "transfer-encoding",
    "expect",
    "proxy-connection",
    "connection",
)
"""Header fields of a client's request that are about that request alone, or about its connection."""

Forward = Callable[[commands.StartHook], Coroutine[Any, Any, None]]


class FlowOrigin:
    """The origin of one flow, asked again over the same way, with the same client's headers."""

    def __init__(self, flow: http.HTTPFlow, options: Options, forward: Forward) -> None:
        """`forward` brings a hook to the other addons."""
        self._flow = flow
        self._options = options
        self._forward = forward

    @property
    def multiplexed(self) -> bool:
        """Whether one connection carries several requests at once."""
        return self._flow.server_conn.alpn == b"h2"

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection that is opened with the first request and closed at the end."""
        connection = HeadlessConnection(self._flow, self._options, self._forward)
        try:
            await connection.start()
            yield Session(self._flow, connection, AT_ONCE if self.multiplexed else 1)
        finally:
            await connection.close()

    @asynccontextmanager
    async def again(self, headers: dict[str, str]) -> AsyncIterator[HeadlessRequest]:
        """One request on a connection of its own."""
        async with self.session() as session, session.again(headers) as request:
            yield request


class Session:
    """Requests over one connection: one after the other, or several at once where it is multiplexed."""

    def __init__(self, flow: http.HTTPFlow, connection: HeadlessConnection, at_once: int) -> None:
        self._flow = flow
        self._connection = connection
        self._turn = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def again(self, headers: dict[str, str]) -> AsyncIterator[HeadlessRequest]:
        """The flow's request once more, without its body, Range and conditions, with `headers` added."""
        async with self._turn:
            request = await self._connection.ask(_repeated(self._flow.request, headers))
            try:
                yield request
            finally:
                await self._connection.let_go(request)


def _repeated(request: http.Request, headers: dict[str, str]) -> http.Request:
    again = request.copy()
    again.content = None
    again.trailers = None
    for name in NOT_REPEATED:
        again.headers.pop(name, None)
    for name, value in headers.items():
        again.headers[name.lower() if again.is_http2 else name] = value
    return again


@dataclass
class _Ask(events.ConnectionEvent):
    """Send this flow's request on this stream."""

    connection: Client
    stream_id: int
    flow: http.HTTPFlow


@dataclass
class _LetGo(events.ConnectionEvent):
    """Nobody wants the rest of this stream's answer."""

    connection: Client
    stream_id: int


class _Asker(base.HttpConnection):
    """Stands where a client's connection would be: puts requests in, gives answers to their owners."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, context.client)
        self.requests: dict[int, HeadlessRequest] = {}

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        match event:
            case _Ask():
                yield base.ReceiveHttp(
                    wire.RequestHeaders(event.stream_id, event.flow.request, end_stream=True, replay_flow=event.flow)
                )
                yield base.ReceiveHttp(wire.RequestEndOfMessage(event.stream_id))
            case _LetGo():
                yield base.ReceiveHttp(
                    wire.RequestProtocolError(event.stream_id, "the rest is not wanted", wire.ErrorCode.CANCEL)
                )
            case wire.HttpEvent(stream_id=stream_id) if request := self.requests.get(stream_id):
                _tell(request, event)


def _tell(request: HeadlessRequest, event: wire.HttpEvent) -> None:
    match event:
        case wire.ResponseHeaders():
            request.answered(Answer(event.response.status_code, event.response.headers))
        case wire.ResponseData():
            request.received(event.data)
        case wire.ResponseEndOfMessage():
            request.ended(None)
        case wire.ResponseProtocolError():
            request.ended(event.message)


class HeadlessConnection(server.ConnectionHandler):
    """A connection handler without a client."""

    def __init__(self, flow: http.HTTPFlow, options: Options, forward: Forward) -> None:
        client = flow.client_conn.copy()
        client.state = ConnectionState.OPEN
        context = Context(client, options)
        context.server = _same_origin(flow)
        super().__init__(context)
        mode = HTTPMode.upstream if isinstance(client.proxy_mode, UpstreamMode) else HTTPMode.transparent
        self.layer = layers.HttpLayer(context, mode)
        self._asker = _Asker(context.fork())
        self.layer.connections[client] = self._asker
        self._origin = context.server
        self._via = flow.server_conn.via
        self._forward = forward
        self._next_stream_id = 1

    async def start(self) -> None:
        """Nothing is connected yet: the first request does that."""
        await self.server_event(events.Start())
        # In upstream mode that set the mode's own proxy, where an addon may have chosen another for this flow.
        self._origin.via = self._via

    async def ask(self, request: http.Request) -> HeadlessRequest:
        """Send a request; its answer comes to what is returned."""
        headless = HeadlessRequest(self._next_stream_id)
        self._next_stream_id += 2
        self._asker.requests[headless.stream_id] = headless
        flow = http.HTTPFlow(self.client, self._origin)
        flow.request = request
        await self.server_event(_Ask(self.client, headless.stream_id, flow))
        return headless

    async def let_go(self, request: HeadlessRequest) -> None:
        """The rest of its answer is not wanted; the connection may go on."""
        unfinished = not request.over
        request.ended("it was given up")
        self._asker.requests.pop(request.stream_id, None)
        if unfinished:
            await self.server_event(_LetGo(self.client, request.stream_id))

    async def close(self) -> None:
        """End everything, and wait until it has ended."""
        for request in self._asker.requests.values():
            request.ended("the connection was given up")
        for timer in list(self.wakeup_timer):
            timer.cancel()
        handlers = [io.handler for io in self.transports.values() if io.handler]
        for handler in handlers:
            handler.cancel("the connection was given up")
        if handlers:
            await asyncio.wait(handlers)
        for io in self.transports.values():
            # A handler that is cancelled inside a hook leaves its connection open.
            if io.writer is not None:
                io.writer.close()
        self.transports.clear()

    async def drain_writers(self) -> None:
        """Called by mitmproxy after each read: hold the origin while enough is read ahead."""
        for request in list(self._asker.requests.values()):
            await request.room.wait()
        await super().drain_writers()  # type: ignore[no-untyped-call]

    async def handle_hook(self, hook: commands.StartHook) -> None:
        """Connections are the other addons' business, flows of our own are not."""
        if isinstance(hook, http_hooks.HttpResponseHeadersHook):
            assert hook.flow.response
            hook.flow.response.stream = True
        elif hook.name.startswith(("server_", "tls_", "http_connect_upstream")):
            await self._forward(hook)

    def log(self, message: str, level: int = logging.INFO, exc_info: Any = None) -> None:
        """Only what went wrong: mitmproxy reports each step of each connection."""
        if level >= logging.WARNING:
            logger.log(level, message, exc_info=exc_info)


def _same_origin(flow: http.HTTPFlow) -> Server:
    origin = Server(address=(flow.request.host, flow.request.port))
    origin.via = flow.server_conn.via
    if flow.request.scheme == "https":
        origin.tls = True
        origin.sni = flow.server_conn.sni or flow.request.pretty_host
    return origin
