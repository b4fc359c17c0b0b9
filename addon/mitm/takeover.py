"""One response's body that is ours: what its upstream says, what its client takes, and who waits for whom."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import _events as wire

from addon.mitm.backlog import MOST_SHARED
from addon.mitm.writable import ClientGoneError, ClientWriter
from addon.ports import Body, Broken, ClientLeft, Finished, Step

if TYPE_CHECKING:
    from addon.mitm.streams import TakeoverStream

logger = logging.getLogger(__name__)

UPSTREAM_EVENTS = (
    wire.ResponseData,
    wire.ResponseTrailers,
    wire.ResponseEndOfMessage,
    wire.ResponseProtocolError,
)


class Takeover:
    """One response whose body is ours. It is the argument of the hook, so it must not be a Flow."""

    def __init__(self, stream: TakeoverStream, body: Body, writer: ClientWriter) -> None:
        self.flow = stream.flow
        self.body = body
        self.writer = writer
        self.upstream_open = True
        self.step: Step = Finished()
        self._layer = stream.layer

    async def advance(self) -> None:
        """Wait until the client can take more, then for the next step of the body."""
        try:
            await self.writer.writable()
            self.step = await self.body.next()
            self._layer.company.set()  # less waits now, perhaps little enough for a shared upstream
        except ClientGoneError as gone:
            self.step = ClientLeft(str(gone))
        except Exception as error:
            # mitmproxy would wait for the end of this hook for ever.
            logger.error("Nearfetch failed inside a delivery: %r", error, exc_info=error)  # noqa: TRY400
            self.step = Broken(f"Nearfetch failed inside a delivery: {error!r}")

    async def close(self) -> None:
        """The last step is done, whichever it was."""
        try:
            await self.body.close(self.step)
        except Exception as error:
            logger.error("Nearfetch failed at the end of a delivery: %r", error, exc_info=error)  # noqa: TRY400

    def carrier(self) -> Connection:
        """The connection that the upstream's bytes come over, which may be one to an upstream proxy."""
        return self._layer.carrier_of(self.flow.server_conn)

    def holds_upstream(self) -> bool:
        """Whether the upstream is not to be read on now. One that carries other streams too is held only for memory."""
        if not self.upstream_open or self.body.flowing.is_set():
            return False
        return not self.has_company() or self.body.waiting > MOST_SHARED

    def has_company(self) -> bool:
        """Whether other streams may come over the same connection."""
        return self.flow.server_conn.alpn == b"h2" and len(self._layer.streams) > 1

    async def until_wanted(self) -> None:
        """Wait while the upstream is held."""
        while self.holds_upstream():
            self._layer.company.clear()
            waits = [asyncio.ensure_future(event.wait()) for event in (self.body.flowing, self._layer.company)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    def client_left(self) -> None:
        """Wake whatever waits for the client, or for the body on the client's behalf."""
        self.writer.abandon()
        self.body.client_left()

    def upstream_event(self, event: events.Event) -> None:
        """What the origin's connection says goes to the body, whatever the stream is doing."""
        match event:
            case wire.ResponseData():
                self.body.upstream_data(event.data)
            case wire.ResponseTrailers():
                assert self.flow.response
                self.flow.response.trailers = event.trailers
            case wire.ResponseEndOfMessage():
                self.upstream_open = False
                self.body.upstream_ended()
            case wire.ResponseProtocolError():
                self.upstream_open = False
                self.body.upstream_failed(event.message)
            case _:
                raise AssertionError(f"not an event of an upstream: {event}")


@dataclass
class NearfetchNextBlockHook(commands.StartHook):
    """A taken-over body is asked for its next step."""

    takeover: Takeover


@dataclass
class NearfetchBodyEndHook(commands.StartHook):
    """A taken-over body is over, one way or another."""

    takeover: Takeover
