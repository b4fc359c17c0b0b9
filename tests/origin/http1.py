"""HTTP/1.1 as the origin speaks it, plain or under TLS."""

import asyncio
from http import HTTPStatus

from tests.origin.accounting import Record
from tests.origin.answer import Answer, Request, decide
from tests.origin.connection import GONE, Connection
from tests.origin.resources import Resource
from tests.origin.sending import BodyCutError, Exchange, Pace, PeerLeftError, Site, pause


class Http1Connection:
    """Answers one request after the other."""

    def __init__(self, site: Site, connection: Connection, number: int) -> None:
        self._site = site
        self._connection = connection
        self._number = number
        self._pace = Pace()

    async def serve(self) -> None:
        try:
            while (request := await self._read_request()) is not None and await self._respond(request):
                pass
        except (PeerLeftError, *GONE):
            return
        self._connection.close()

    async def _read_request(self) -> Request | None:
        """None at the connection's end."""
        try:
            head = await self._connection.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        request = parse_head(head)
        await self._connection.reader.readexactly(int(request.header("Content-Length") or 0))
        return request

    async def _respond(self, request: Request) -> bool:
        """Answer; whether the connection can serve another request."""
        resource = self._site.find(request.path)
        answer = decide(request, resource)
        record = self._site.ledger.open(
            Record(request.method, request.path, request.headers, answer.status, self._number, "1.1")
        )
        try:
            await self._send(request, resource or Resource(b""), answer, record)
        except BodyCutError as cut:
            self._site.ledger.end(record, "cut")
            if cut.kind == "reset":
                await self._connection.reset()
            return False  # the end of serve() closes
        except (PeerLeftError, *GONE):
            self._site.ledger.end(record, "peer left")
            raise
        self._site.ledger.end(record, "complete")
        return not _is_last(request, resource, answer)

    async def _send(self, request: Request, resource: Resource, answer: Answer, record: Record) -> None:
        await pause(self._connection.left, resource.delay_headers)
        await self._connection.write(_head(answer, resource, _is_last(request, resource, answer)))
        sink = _Http1Sink(self._connection, self._pace, chunked=answer.chunked and not resource.http10)
        await Exchange(self._site, record, resource, answer, sink).send_body()
        if sink.chunked and answer.span is not None:
            await self._connection.write(b"0\r\n\r\n")


class _Http1Sink:
    def __init__(self, connection: Connection, pace: Pace, *, chunked: bool) -> None:
        self._connection = connection
        self.left = connection.left
        self.pace = pace
        self.chunked = chunked

    async def send(self, block: bytes | memoryview) -> None:
        if self.chunked:
            await self._connection.write(b"%x\r\n" % len(block), block, b"\r\n")
        else:
            await self._connection.write(block)


def parse_head(head: bytes) -> Request:
    """A request's head; nonsense raises LimitOverrunError, as too long a head does."""
    try:
        start, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, path, _ = start.split(" ")
        pairs = [field.split(":", 1) for field in fields]
        return Request(method, path, [(name, value.strip()) for name, value in pairs])
    except ValueError as error:
        raise asyncio.LimitOverrunError(f"not a request: {head[:80]!r}", 0) from error


def _head(answer: Answer, resource: Resource, is_last: bool) -> bytes:
    version = "HTTP/1.0" if resource.http10 else "HTTP/1.1"
    headers = list(answer.headers)
    if answer.chunked and not resource.http10:
        headers.append(("Transfer-Encoding", "chunked"))
    if is_last:
        headers.append(("Connection", "close"))
    try:
        reason = HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"{version} {answer.status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _is_last(request: Request, resource: Resource | None, answer: Answer) -> bool:
    """The connection ends after this answer: someone says so, or its body's end is not where it seems."""
    if "close" in (request.header("Connection") or "").lower():
        return True
    if resource is None or answer.span is None:
        return False
    lies = answer.status == 200 and resource.declared_length is not None and not answer.chunked
    return resource.http10 or lies
