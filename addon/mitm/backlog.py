"""What waits for an HTTP/2 client's window, and who has to wait for that.

mitmproxy's own back-pressure knows sockets only. What a client's window does not let out piles up in the streams'
buffers without limit; a slow client took a stock proxy over a gigabyte in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitmproxy.connection import Connection
from mitmproxy.proxy.layers.http._http2 import Http2Server

if TYPE_CHECKING:
    from addon.mitm.streams import TakeoverLayer

MOST_ALONE = 4 << 20
"""Bytes that may wait for the client's window before the upstream of a single stream is not read on."""

MOST_SHARED = 32 << 20
"""The same for an upstream that carries several streams: to hold it stops those that the client does read."""


def is_too_long(layer: TakeoverLayer, connection: Connection) -> bool:
    """Whether enough of what came over an upstream's connection waits for the client of this layer."""
    client = layer.connections.get(layer.context.client)
    if not isinstance(client, Http2Server) or not client.h2_conn.stream_buffers:
        return False
    fed = [stream for stream in layer.streams.values() if layer.carrier_of(stream.context.server) is connection]
    buffers = client.h2_conn.stream_buffers
    waiting = sum(len(chunk.data) for stream in fed for chunk in buffers.get(stream.stream_id, ()))
    # A stream that has just begun is nobody's yet: it may be about to come over this connection.
    shared = len(layer.streams) > 1 and any(stream.context.server.alpn == b"h2" for stream in fed)
    return waiting > (MOST_SHARED if shared else MOST_ALONE)


async def until_short(layer: TakeoverLayer, connection: Connection) -> None:
    """Wait while it is too long."""
    while is_too_long(layer, connection):
        layer.moved.clear()
        await layer.moved.wait()
