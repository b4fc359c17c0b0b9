"""What waits for an HTTP/2 client's window, and who has to wait for that.

mitmproxy's own back-pressure knows sockets only. What a client's window does not let out piles up in the streams'
buffers without limit; a slow client took a stock proxy over a gigabyte in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitmproxy.connection import Connection
from mitmproxy.proxy.layers.http._http2 import Http2Server

if TYPE_CHECKING:
    from addon.mitm.takeover import TakeoverLayer

MOST_ALONE = 4 << 20
"""Bytes that may wait for the client's window before the upstream of a single stream is not read on."""

MOST_SHARED = 32 << 20
"""The same for an upstream that carries several streams: to hold it stops those that the client does read."""


def is_too_long(layer: TakeoverLayer, upstream: Connection) -> bool:
    """Whether enough of what came over the upstream waits for the client of this layer."""
    client = layer.connections.get(layer.context.client)
    if not isinstance(client, Http2Server) or not client.h2_conn.stream_buffers:
        return False
    fed = [stream.stream_id for stream in layer.streams.values() if stream.context.server is upstream]
    buffers = client.h2_conn.stream_buffers
    # An upper bound: a buffered piece is at most a frame, and mostly a whole one.
    waiting = sum(len(buffers.get(number, ())) for number in fed) * client.h2_conn.max_outbound_frame_size
    return waiting > (MOST_ALONE if len(fed) == 1 else MOST_SHARED)


async def until_short(layer: TakeoverLayer, upstream: Connection) -> None:
    """Wait while it is too long."""
    while is_too_long(layer, upstream):
        layer.moved.clear()
        await layer.moved.wait()
