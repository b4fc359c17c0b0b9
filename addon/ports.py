"""What live bodies and requests of our own look like to the rest of the addon. Imports nothing of mitmproxy."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Block:
    """The next bytes for the client; never empty."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The client has all bytes that its response's headers promised."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The body cannot be completed: the connection is broken, so that nobody takes it for whole."""

    reason: str


@dataclass(frozen=True, slots=True)
class ClientLeft:
    """The client does not listen any more."""

    reason: str


Step = Block | Finished | Broken | ClientLeft


class Body(Protocol):
    """One response's body, fed by an upstream that it may drop.

    The three `upstream_*` calls come from mitmproxy's state machine and must not wait. `next` is called
    for one step at a time, when the client can take more.
    """

    @property
    def flowing(self) -> asyncio.Event:
        """Cleared while the upstream should not be read."""

    @property
    def waiting(self) -> int:
        """Bytes that came from the upstream and wait for the client."""

    @property
    def upstream_wanted(self) -> bool:
        """Once False, the origin's transfer is dropped; it does not become True again."""

    def upstream_data(self, data: bytes) -> None:
        """The origin sent this much more of its response's body."""

    def upstream_ended(self) -> None:
        """The origin's response is complete."""

    def upstream_failed(self, reason: str) -> None:
        """The origin's response broke off."""

    def client_left(self) -> None:
        """Wakes `next`, which may then return anything."""

    async def next(self) -> Step:
        """The next step, when there is one."""

    async def close(self, last: Step) -> None:
        """Called once, after the last step: gives everything back. Must not raise."""


class OwnRequestError(Exception):
    """A request of our own could not be sent, or its answer broke off."""


class Fields(Protocol):
    """Header fields, by name in any case."""

    def get(self, name: str, /) -> str | None:
        """The field's lines, joined with a comma; None where there is none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of a response to a request of our own."""

    status: int
    fields: Fields


class OwnRequest(Protocol):
    """A request that was sent; its answer is read piece by piece and holds the origin while it is not."""

    @property
    def body_bytes(self) -> int:
        """Bytes of the answer's body that came from the origin so far."""

    async def answer(self) -> Answer:
        """The head of the answer. Raises OwnRequestError."""

    async def read(self) -> bytes:
        """What came of the body since the last call; b"" at its end. Raises OwnRequestError."""


class Session(Protocol):
    """A connection to an origin. Requests wait for their turn where it carries only one at a time."""

    def again(self, headers: dict[str, str]) -> AbstractAsyncContextManager[OwnRequest]:
        """The client's request once more, without its body, Range and conditions, with `headers` added."""


class Origin(Protocol):
    """Asks the origin of one response again, with the same client's request headers."""

    @property
    def multiplexed(self) -> bool:
        """Whether one connection carries several requests at once (HTTP/2)."""

    def session(self) -> AbstractAsyncContextManager[Session]:
        """A connection for several requests."""

    def again(self, headers: dict[str, str]) -> AbstractAsyncContextManager[OwnRequest]:
        """One request on a connection of its own."""
