"""What we change about the connection handler of a client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from mitmproxy.proxy import commands
from mitmproxy.proxy.server import ConnectionHandler

from addon.mitm import backlog
from addon.mitm.streams import TakeoverLayer
from addon.mitm.takeover import NearfetchBodyEndHook, NearfetchNextBlockHook, Takeover


def prepare(
    handler: ConnectionHandler,
    active: Callable[[], Iterable[Takeover]],
    layers: Callable[[], Iterable[TakeoverLayer]],
) -> None:
    """Once for each handler. Of its client, `active`: the takeovers that are under way; `layers`: the HTTP layers."""
    _hold_upstreams(handler, active, layers)
    _answer_our_hooks(handler)


def _hold_upstreams(
    handler: ConnectionHandler,
    active: Callable[[], Iterable[Takeover]],
    layers: Callable[[], Iterable[TakeoverLayer]],
) -> None:
    """Make the handler's upstream readers wait while a body that they feed, or an HTTP/2 client, wants no more.

    mitmproxy calls `drain_writers` after each read of each connection. The client's own reader never waits:
    it is the one that brings window updates and the news that the client left.
    """
    drain = handler.drain_writers

    async def drain_writers() -> None:
        reader = asyncio.current_task()
        connection = next((c for c, io in handler.transports.items() if io.handler is reader), None)
        if connection is not None and connection is not handler.client:
            for takeover in list(active()):
                if takeover.carrier() is connection:
                    await takeover.until_wanted()
            for layer in list(layers()):
                await backlog.until_short(layer, connection)
        await drain()  # type: ignore[no-untyped-call]

    handler.drain_writers = drain_writers  # type: ignore[method-assign]


def _answer_our_hooks(handler: ConnectionHandler) -> None:
    """Answer our hooks on the spot: on their way through all addons they would cost more than the block itself."""
    handle = handler.handle_hook

    async def handle_hook(hook: commands.StartHook) -> None:
        if isinstance(hook, NearfetchNextBlockHook):
            with handler.timeout_watchdog.disarm():
                await hook.takeover.advance()
        elif isinstance(hook, NearfetchBodyEndHook):
            await hook.takeover.close()
        else:
            await handle(hook)

    handler.handle_hook = handle_hook  # type: ignore[method-assign]
