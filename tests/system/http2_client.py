"""A client with several streams on one HTTP/2 connection, each read or paused as the test says."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events

from tests.system.clients import Via
from tests.system.raw_clients import connect

WIDE = 2**31 - 1 - 65535
"""What brings the default window to the largest that there is."""


@dataclass
class Stream:
    """One request and what came of its answer."""

    number: int
    read: bool
    """Whether what comes is acknowledged, so that more may come."""
    received: int = 0
    ended: bool = False
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)


class Http2Client:
    """A context manager; `url` says where to connect to."""

    def __init__(self, url: str, proxy: Via) -> None:
        self._url = urlsplit(url)
        self._socket = connect(self._url, proxy, proxy.ca_file, "h2", 5.0)
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._streams: dict[int, Stream] = {}

    def __enter__(self) -> Self:
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WIDE)
        self._flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def get(self, path: str, *, paused: bool = False) -> Stream:
        """Ask for a path of the host; a paused stream takes 64 KiB and no more."""
        stream = Stream(self._h2.get_next_available_stream_id(), read=not paused)
        headers = [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", self._url.netloc)]
        self._h2.send_headers(stream.number, headers, end_stream=True)
        if not paused:
            self._h2.increment_flow_control_window(WIDE, stream.number)
        self._streams[stream.number] = stream
        self._flush()
        return stream

    def read_until(self, holds: Callable[[], bool], seconds: float = 15.0) -> bool:
        """Read on until that holds; False where it does not in time."""
        deadline = time.monotonic() + seconds
        while not holds():
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                return holds()
            if not data or time.monotonic() > deadline:
                return holds()
            for event in self._h2.receive_data(data):
                self._take(event)
            self._flush()
        return True

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.DataReceived):
            stream = self._streams[event.stream_id]
            stream.received += len(event.data)
            stream.digest.update(event.data)
            if stream.read:
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self._streams[event.stream_id].ended = True

    def _flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())
