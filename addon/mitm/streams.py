"""mitmproxy's HTTP stream and layer, made to hand a response's body to us.

mitmproxy pushes: what the upstream sends goes straight into the client's write buffer. Here a stream pulls: it
blocks on a hook of ours, whose handler waits for the client to be writable and for the next block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from mitmproxy import flow as mitmflow
from mitmproxy.connection import Connection
from mitmproxy.proxy import events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import _events as wire
from mitmproxy.proxy.layers.http import _hooks as http_hooks
from mitmproxy.proxy.tunnel import TunnelLayer

from addon.mitm.takeover import UPSTREAM_EVENTS, NearfetchBodyEndHook, NearfetchNextBlockHook, Takeover
from addon.ports import Block, Body, Broken, ClientLeft, Finished

if TYPE_CHECKING:
    from addon.mitm.takeovers import Takeovers


class TakeoverStream(layers.HttpStream):
    """An HttpStream that can hand its response's body to a `Body`."""

    make_body: Callable[[], Body] | None = None
    """Set while the response's headers are looked at, if the body is to be taken over."""
    takeover: Takeover | None = None

    def __init__(self, context: Context, stream_id: int, layer: TakeoverLayer) -> None:
        super().__init__(context, stream_id)
        self.layer = layer

    def state_wait_for_response_headers(self, event: wire.ResponseHeaders) -> CommandGenerator[None]:
        self.layer.takeovers.expecting[self.flow.id] = self
        try:
            yield from super().state_wait_for_response_headers(event)
        finally:
            self.layer.takeovers.expecting.pop(self.flow.id, None)
            self.make_body = None  # a body that began in mitmproxy's hands stays there

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        # Overridden here and not in _handle_event, which is not called while the stream waits for a hook.
        if self.takeover is not None:
            if isinstance(event, UPSTREAM_EVENTS):
                self.takeover.upstream_event(event)
                return
            if isinstance(event, wire.RequestProtocolError):
                self.takeover.client_left()
        yield from super().handle_event(event)

    def start_response_stream(self) -> CommandGenerator[None]:
        assert self.flow.response
        # Another addon may have had its own wishes since: then the body is mitmproxy's.
        if self.make_body is None or self.flow.response.stream is not True:
            yield from super().start_response_stream()
            return
        self.takeover = Takeover(self, self.make_body(), self.layer.takeovers.client_writer(self))
        self._take_waiting_events(self.takeover)
        yield layers.SendHttp(
            wire.ResponseHeaders(self.stream_id, self.flow.response, end_stream=False), self.context.client
        )
        self.server_state = self.state_stream_response_body
        self.layer.takeovers.active.add(self.takeover)
        try:
            yield from self._deliver(self.takeover)
        finally:
            self.layer.takeovers.active.discard(self.takeover)
            self.takeover.body.flowing.set()

    def _take_waiting_events(self, takeover: Takeover) -> None:
        """Events that came while the responseheaders hook ran are still in mitmproxy's queue."""
        waiting = list(self._paused_event_queue)
        self._paused_event_queue.clear()
        for event in waiting:
            if isinstance(event, UPSTREAM_EVENTS):
                takeover.upstream_event(event)
            else:
                self._paused_event_queue.append(event)

    def _deliver(self, takeover: Takeover) -> CommandGenerator[None]:
        while True:
            yield NearfetchNextBlockHook(takeover)
            if not takeover.body.upstream_wanted:
                yield from self._drop_upstream(takeover)
            if self._killed():
                takeover.step = Broken(mitmflow.Error.KILLED_MESSAGE)
            elif left := self._client_error():
                takeover.step = ClientLeft(left)
            step = takeover.step
            if isinstance(step, Block):
                yield layers.SendHttp(wire.ResponseData(self.stream_id, step.data), self.context.client)
                continue
            yield from self._drop_upstream(takeover)
            yield NearfetchBodyEndHook(takeover)
            yield from self._end(step)
            return

    def _end(self, step: Finished | Broken | ClientLeft) -> CommandGenerator[None]:
        match step:
            case Finished():
                yield from self.send_response(already_streamed=True)
            case Broken(reason):
                yield from self._abort(reason)
                yield layers.SendHttp(
                    wire.ResponseProtocolError(self.stream_id, reason, wire.ErrorCode.GENERIC_SERVER_ERROR),
                    self.context.client,
                )
                yield layers.DropStream(self.stream_id)
            case ClientLeft(reason):
                yield from self._abort(reason)
                yield layers.DropStream(self.stream_id)
            case _:
                assert_never(step)

    def _abort(self, reason: str) -> CommandGenerator[None]:
        self.client_state = self.server_state = self.state_errored
        if not self._killed():
            self.flow.error = mitmflow.Error(reason)
        yield http_hooks.HttpErrorHook(self.flow)
        self.flow.live = False

    def _drop_upstream(self, takeover: Takeover) -> CommandGenerator[None]:
        """Closes an HTTP/1 connection, resets the stream of an HTTP/2 one. Does nothing the second time."""
        if takeover.upstream_open and self.context.server in self.layer.connections:
            yield layers.SendHttp(
                wire.RequestProtocolError(self.stream_id, "the body comes from elsewhere", wire.ErrorCode.CANCEL),
                self.context.server,
            )
        takeover.upstream_open = False
        takeover.body.flowing.set()  # its reader may go on, to learn that it was cancelled

    def _killed(self) -> bool:
        error = self.flow.error
        return error is not None and error.msg == mitmflow.Error.KILLED_MESSAGE

    def _client_error(self) -> str | None:
        """The client's error, where one waits in mitmproxy's queue behind the hook that has just ended."""
        for event in self._paused_event_queue:
            if isinstance(event, wire.RequestProtocolError):
                return event.message
        return None


class TakeoverLayer(layers.HttpLayer):
    """An HttpLayer whose streams are ours. Existing layers are turned into it by setting their class."""

    takeovers: Takeovers
    company: asyncio.Event
    """Set when a stream begins beside others."""
    moved: asyncio.Event
    """Set when the client said something: its windows may have grown."""

    def carrier_of(self, server: Connection) -> Connection:
        """The connection that a server's bytes come over: another one where an upstream proxy tunnels them."""
        for layer in (self.connections.get(server), *self.context.layers):
            if isinstance(layer, TunnelLayer) and layer.conn is server and layer.tunnel_connection is not server:
                return layer.tunnel_connection
        return server

    def make_stream(self, stream_id: int) -> CommandGenerator[None]:
        stream = TakeoverStream(self.context.fork(), stream_id, self)
        self.streams[stream_id] = stream
        self.company.set()
        self.moved.set()
        yield from self.event_to_child(stream, events.Start())

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        yield from super()._handle_event(event)
        if isinstance(event, events.ConnectionEvent) and event.connection is self.context.client:
            # A window update of an HTTP/2 client arrives here: its streams may have room again.
            self.moved.set()
            self.takeovers.client_moved(self.context.client)
