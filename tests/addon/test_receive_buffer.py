from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from addon.mitm.receive_buffer import NARROW, SO_BUF_LOCK, ReceiveBuffer


@pytest.fixture
def connection() -> Iterator[socket.socket]:
    with socket.socket() as made:
        try:
            made.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK)
        except OSError:
            pytest.skip("this kernel cannot unlock a buffer's size")
        yield made


def locked(connection: socket.socket) -> bool:
    receive_locked = 2
    return bool(connection.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK) & receive_locked)


def test_it_is_kept_narrow_until_the_kernel_may_choose_again(connection: socket.socket) -> None:
    buffer = ReceiveBuffer(connection)
    buffer.hold(True)
    doubled = 2 * NARROW  # for the kernel's own needs, socket(7)
    assert (connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF), locked(connection)) == (doubled, True)
    buffer.hold(False)
    assert not locked(connection)


def test_a_connection_that_is_gone_is_no_fault(connection: socket.socket) -> None:
    buffer = ReceiveBuffer(connection)
    connection.close()
    buffer.hold(True)
    buffer.hold(False)
    assert connection.fileno() == -1


def test_where_it_could_not_be_undone_it_is_not_done() -> None:
    pipe, other = socket.socketpair()
    with pipe, other:
        before = pipe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        buffer = ReceiveBuffer(_WithoutUnlocking(pipe))
        buffer.hold(True)
        assert pipe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == before


def test_an_unknown_connection_is_left_alone() -> None:
    buffer = ReceiveBuffer(None)
    buffer.hold(True)
    buffer.hold(False)


class _WithoutUnlocking:
    """A socket of an older kernel."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real

    def setsockopt(self, level: int, name: int, value: int, /) -> None:
        self._real.setsockopt(level, name, value)

    def getsockopt(self, level: int, name: int, /) -> int:
        if name == SO_BUF_LOCK:
            raise OSError("Protocol not available")
        return self._real.getsockopt(level, name)
