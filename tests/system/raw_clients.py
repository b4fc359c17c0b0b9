"""Clients that read as slowly as they are told, and leave where they are told."""

import abc
import hashlib
import http.client
import socket
import ssl
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import SplitResult, urlsplit

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from tests.system.clients import HeaderPairs, Via

type Leaving = Literal["close", "reset", "cancel"]

RECEIVE_BUFFER = 64 * 1024
"""Asked of the kernel: a client that does not read is noticed soon."""
_LINGER_ZERO = struct.pack("ii", 1, 0)
_BLOCK = 16 * 1024


class RawClient(abc.ABC):
    """One GET whose body is read only in `read`: in between, back-pressure. A context manager."""

    def __init__(
        self,
        url: str,
        *,
        proxy: Via | None = None,
        ca: Path | None = None,
        headers: HeaderPairs = (),
        rate: float | None = None,
        timeout: float = 30.0,
    ) -> None:
        """`rate` is in bytes per second; `timeout` in seconds, for each wait on the network."""
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.received = 0
        """Bytes of the body."""
        self.complete = False
        self.error: str | None = None
        """How the body ended, where that was before its end."""
        self._digest = hashlib.sha256()
        self._rate = rate
        self._url = urlsplit(url)
        self._via = proxy
        self._socket = connect(self._url, proxy, ca or (proxy.ca_file if proxy else None), self._alpn, timeout)
        try:
            self._request(headers)
        except BaseException:
            self._socket.close()
            raise

    _alpn: str

    @abc.abstractmethod
    def _request(self, headers: HeaderPairs) -> None:
        """Send the request, read the response's head."""

    @abc.abstractmethod
    def _next(self, limit: int) -> None:
        """Take in the next bytes (about `limit`), or set `complete` or `error`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave("close")

    @property
    def sha256(self) -> str:
        """Of what was received."""
        return self._digest.hexdigest()

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def read(self, until: int | None = None) -> int:
        """Read until at least so many bytes of the body are here, or to the end; how many are."""
        start, before = time.monotonic(), self.received
        while not self.complete and self.error is None and (until is None or self.received < until):
            self._next(_BLOCK if until is None else min(_BLOCK, until - self.received))
            if self._rate is not None:
                due = start + (self.received - before) / self._rate
                time.sleep(max(0.0, due - time.monotonic()))
        return self.received

    def leave(self, how: Leaving) -> None:
        """Close (FIN), reset (RST), or cancel the stream (RST_STREAM, HTTP/2 only)."""
        if how == "reset" and self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._socket.close()

    def _take(self, block: bytes) -> None:
        self._digest.update(block)
        self.received += len(block)


class SlowHttp1Client(RawClient):
    _alpn = "http/1.1"

    def _request(self, headers: HeaderPairs) -> None:
        target = self._url.path + (f"?{self._url.query}" if self._url.query else "")
        if self._via is not None and self._url.scheme == "http":
            target = self._url.geturl()
        fields = [("Host", self._url.netloc), ("Accept-Encoding", "identity"), *headers]
        lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        self._response = http.client.HTTPResponse(self._socket, method="GET")
        self._response.begin()
        self.status, self.headers = self._response.status, self._response.getheaders()

    def _next(self, limit: int) -> None:
        try:
            block = self._response.read1(limit)
        except (OSError, http.client.HTTPException) as error:
            self.error = repr(error)
            return
        self._take(block)
        declared = self._response.getheader("Content-Length")
        whole = declared is not None and self.received == int(declared)
        if block and not whole:
            return
        if whole or declared is None:
            self.complete = True
        else:
            self.error = f"ended after {self.received} of {declared} bytes"

    def leave(self, how: Leaving) -> None:
        self._response.close()  # it holds the socket open too
        super().leave(how)


class SlowHttp2Client(RawClient):
    """With HTTP/2's own window of 65535 bytes, given back only as it reads."""

    _alpn = "h2"

    def _request(self, headers: HeaderPairs) -> None:
        assert isinstance(self._socket, ssl.SSLSocket)
        assert self._socket.selected_alpn_protocol() == "h2", "the server does not speak HTTP/2"
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._stream = 1
        self._ask(headers)

    def again(self, path: str) -> None:
        """Another GET on the same connection; the one before is complete, was cancelled, or is paused for good."""
        self._url = self._url._replace(path=path)
        self._stream += 2
        self.status, self.received, self.complete, self.error = 0, 0, False, None
        self._digest = hashlib.sha256()
        self._ask(())

    def _ask(self, headers: HeaderPairs) -> None:
        target = self._url.path + (f"?{self._url.query}" if self._url.query else "")
        pseudo = {":method": "GET", ":path": target, ":scheme": "https", ":authority": self._url.netloc}
        fields = [(name.lower(), value) for name, value in headers]
        self._h2.send_headers(self._stream, [*pseudo.items(), *fields], end_stream=True)
        self._socket.sendall(self._h2.data_to_send())
        while not self.status and self.error is None:
            self._next(_BLOCK)

    def _next(self, limit: int) -> None:
        try:
            data = self._socket.recv(limit)
            events = self._h2.receive_data(data)
        except (OSError, h2.exceptions.ProtocolError) as error:
            self.error = repr(error)
            return
        for event in events:
            self._on_event(event)
        if not data and not self.complete:
            self.error = self.error or f"connection ended after {self.received} bytes"
        if self.error is None:
            self._socket.sendall(self._h2.data_to_send())

    def _on_event(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.DataReceived(stream_id=stream, flow_controlled_length=int(length)) if stream != self._stream:
                self._h2.increment_flow_control_window(length)  # a stream that is paused keeps its own window closed
            case h2.events.StreamReset(stream_id=stream) if stream != self._stream:
                pass
            case h2.events.ResponseReceived(headers=list(pairs)):
                self.headers = [(str(name), str(value)) for name, value in pairs]
                self.status = int(self.header(":status") or 0)
            case h2.events.DataReceived(data=bytes(block), flow_controlled_length=int(length)):
                self._take(block)
                self._h2.acknowledge_received_data(length, self._stream)
            case h2.events.StreamEnded():
                self.complete = True
            case h2.events.StreamReset(error_code=code):
                self.error = f"stream reset: {code!r}"
            case h2.events.ConnectionTerminated(error_code=code):
                self.error = f"connection terminated: {code!r}"

    def leave(self, how: Leaving) -> None:
        if how != "cancel":
            super().leave(how)
        elif not self.complete:
            self._h2.reset_stream(self._stream, h2.errors.ErrorCodes.CANCEL)
            self._socket.sendall(self._h2.data_to_send())


def leave_at(
    url: str,
    nbytes: int,
    *,
    proxy: Via | None = None,
    ca: Path | None = None,
    how: Leaving = "close",
    headers: HeaderPairs = (),
) -> RawClient:
    """Disconnect (HTTP/1) after exactly so many bytes of the body; the client tells what it had."""
    with SlowHttp1Client(url, proxy=proxy, ca=ca, headers=headers) as client:
        client.read(nbytes)
        client.leave(how)
    return client


def connect(url: SplitResult, proxy: Via | None, ca: Path | None, alpn: str, timeout: float) -> socket.socket:
    """To the URL's host, directly or through the proxy, under TLS where the URL says so."""
    hop = urlsplit(proxy.url) if proxy else url
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    plain.settimeout(timeout)
    plain.connect((hop.hostname or "", hop.port or 80))
    if url.scheme == "http":
        return plain
    if proxy is not None:
        _open_tunnel(plain, url.netloc)
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols([alpn])
    return context.wrap_socket(plain, server_hostname=url.hostname)


def _open_tunnel(plain: socket.socket, address: str) -> None:
    plain.sendall(f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = plain.recv(1)  # not one byte of what follows: that is TLS
        if not byte:
            break
        head += byte
    if b" 200 " not in head.partition(b"\r\n")[0]:
        plain.close()
        raise ConnectionError(f"the proxy refused: {head!r}")
