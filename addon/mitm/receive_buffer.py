"""How much the kernel takes in from an origin that is not read on."""

from __future__ import annotations

import logging
import socket
from typing import Protocol

logger = logging.getLogger(__name__)

NARROW = 64 << 10
"""Bytes that the kernel is asked to keep for a connection that is held."""

SO_BUF_LOCK = 72
"""Linux 5.14 and later, socket(7): which buffers keep the size that a program gave them. Python has no name for it."""


class Socket(Protocol):
    """The part of a socket that is used; asyncio's TransportSocket has it."""

    def setsockopt(self, level: int, name: int, value: int, /) -> None:
        """As in socket.socket."""

    def getsockopt(self, level: int, name: int, /) -> int:
        """As in socket.socket."""


class ReceiveBuffer:
    """Of one origin's connection. Narrow while a copy is being proven, so that less comes that may not be needed.

    Left alone, the kernel widens it up to megabytes within a few reads, and an origin fills it in no time.
    """

    def __init__(self, connection: Socket | None) -> None:
        """`connection`: None where it is not known; nothing is done then."""
        self._connection = connection if connection is not None and _can_be_undone(connection) else None

    def hold(self, held: bool) -> None:
        """Keep it small, or let the kernel choose its size again."""
        if held:
            self._set(socket.SO_RCVBUF, NARROW)
        else:
            self._set(SO_BUF_LOCK, 0)

    def _set(self, name: int, value: int) -> None:
        if self._connection is None:
            return
        try:
            self._connection.setsockopt(socket.SOL_SOCKET, name, value)
        except OSError as error:  # the connection is gone: there is nothing to hold back
            logger.debug("the receive buffer stays as it is: %s", error)


def _can_be_undone(connection: Socket) -> bool:
    try:
        connection.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK)
    except OSError:
        return False
    return True
