"""Puts our layers into mitmproxy's connections, and keeps account of the bodies that were taken over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from mitmproxy import http
from mitmproxy.addons.next_layer import NextLayer as NextLayerAddon
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Server
from mitmproxy.master import Master
from mitmproxy.proxy.layer import Layer, NextLayer
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http._http2 import Http2Server
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from addon.mitm.handlers import prepare
from addon.mitm.headless import FlowOrigin
from addon.mitm.receive_buffer import ReceiveBuffer
from addon.mitm.streams import TakeoverLayer, TakeoverStream
from addon.mitm.takeover import Takeover
from addon.mitm.writable import ClientWriter
from addon.ports import Body

TCP_TIMEOUT = 600
"""Seconds; mitmproxy's own default."""


class Takeovers:
    """The one object through which the rest of the addon reaches live bodies."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._proxyserver: Proxyserver = master.addons.get("proxyserver")
        self._next_layer: NextLayerAddon = master.addons.get("nextlayer")
        self._layers: dict[str, list[TakeoverLayer]] = {}
        """By the client's id, while it is connected."""
        self.expecting: dict[str, TakeoverStream] = {}
        self.active: set[Takeover] = set()

    def adopt(self, choice: NextLayer) -> None:
        """Let mitmproxy choose the next layer, then make its HTTP layers ours. For the `next_layer` hook."""
        self._next_layer.next_layer(choice)
        for layer in _with_children(choice.layer):
            if type(layer) is layers.HttpLayer and layer.context.client.transport_protocol == "tcp":
                layer.__class__ = TakeoverLayer
                assert isinstance(layer, TakeoverLayer)
                layer.takeovers = self
                layer.company = asyncio.Event()
                layer.moved = asyncio.Event()
                self._attend(layer)

    def _attend(self, layer: TakeoverLayer) -> None:
        client = layer.context.client
        handler = self._proxyserver.connections.get(client.id)
        if handler is None:
            return
        if client.id not in self._layers:
            self._layers[client.id] = []
            prepare(handler, lambda: self._of(client), lambda: self._layers.get(client.id, ()))
        self._layers[client.id].append(layer)

    def possible(self, flow: http.HTTPFlow) -> bool:
        """Whether the response that is being looked at can be taken over."""
        stream = self.expecting.get(flow.id)
        return (
            stream is not None
            and stream.client_state == stream.state_done  # the whole request was sent
            and flow.client_conn.id in self._layers
        )

    def take(self, flow: http.HTTPFlow, make_body: Callable[[], Body]) -> None:
        """Feed the client of this flow, whose `responseheaders` hook is running, from a body of ours.

        It is made when the headers have gone out, which another addon may prevent.
        """
        assert flow.response
        flow.response.stream = True
        self.expecting[flow.id].make_body = make_body

    def origin_of(self, flow: http.HTTPFlow) -> FlowOrigin:
        """The flow's origin, to be asked again."""
        return FlowOrigin(flow, self._master.options, self._master.addons.handle_lifecycle)

    @property
    def patience(self) -> float:
        """Seconds after which mitmproxy takes a silent peer for gone; its first releases had no option for it."""
        return float(getattr(self._master.options, "tcp_timeout", TCP_TIMEOUT))

    def receive_buffer_of(self, flow: http.HTTPFlow) -> ReceiveBuffer:
        """Of the connection that the looked-at response comes over, where that is the flow's alone."""
        handler = self._proxyserver.connections.get(flow.client_conn.id)
        carrier = self.expecting[flow.id].layer.carrier_of(flow.server_conn)
        io = handler.transports.get(carrier) if handler and isinstance(carrier, Server) else None
        shared = any(other.carrier() is carrier for other in self._of(flow.client_conn))
        writer = io.writer if io and not shared else None
        return ReceiveBuffer(writer.get_extra_info("socket", None) if writer else None)

    def client_writer(self, stream: TakeoverStream) -> ClientWriter:
        """Waits for the stream's client."""
        client = stream.context.client
        handler = self._proxyserver.connections[client.id]
        connection = stream.layer.connections[client]
        http2 = connection.h2_conn if isinstance(connection, Http2Server) else None
        return ClientWriter(handler, client, http2, stream.stream_id, self.patience)

    def _of(self, client: Client) -> Iterator[Takeover]:
        return (takeover for takeover in self.active if takeover.writer.client is client)

    def client_moved(self, client: Client) -> None:
        """The client sent something."""
        for takeover in self._of(client):
            takeover.writer.moved()

    def client_disconnected(self, client: Client) -> None:
        """The safety net: mitmproxy may lose the news that a client left."""
        for takeover in list(self._of(client)):
            takeover.client_left()
        self._layers.pop(client.id, None)

    def server_disconnected(self, data: ServerConnectionHookData) -> None:
        """A second safety net: a handler that is cancelled inside a hook leaves its connection open."""
        handler = self._proxyserver.connections.get(data.client.id)
        io = handler.transports.get(data.server) if handler else None
        if io is not None and io.writer is not None and not io.writer.is_closing():
            io.writer.close()


def _with_children(layer: Layer | None) -> Iterator[Layer]:
    while layer is not None:
        yield layer
        layer = getattr(layer, "child_layer", None)
