"""HTTP/2 as the origin speaks it: python-hyper's h2, each response a task, flow control kept."""

import asyncio

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from tests.origin.accounting import Record
from tests.origin.answer import Answer, Request, decide
from tests.origin.connection import GONE, Connection
from tests.origin.resources import Resource
from tests.origin.sending import BodyCutError, Exchange, Pace, PeerLeftError, Site, pause

_READ = 64 * 1024


class Http2Connection:
    """Reads frames; answers each request in a task of its own."""

    def __init__(self, site: Site, connection: Connection, number: int) -> None:
        self._site = site
        self._connection = connection
        self._number = number
        self._pace = Pace()
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._sinks: dict[int, _Http2Sink] = {}

    async def serve(self) -> None:
        self._h2.initiate_connection()
        try:
            async with asyncio.TaskGroup() as responses:
                try:
                    await self._read_frames(responses)
                finally:
                    self._wake_all(left=True)
        except* (PeerLeftError, h2.exceptions.ProtocolError, *GONE):
            pass

    async def _read_frames(self, responses: asyncio.TaskGroup) -> None:
        await self._flush()
        while data := await self._connection.reader.read(_READ):
            for event in self._h2.receive_data(data):
                self._on_event(event, responses)
            await self._flush()

    async def _flush(self) -> None:
        await self._connection.write(self._h2.data_to_send())

    def _on_event(self, event: h2.events.Event, responses: asyncio.TaskGroup) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=int(stream), headers=list(headers)):
                request = _request([(str(name), str(value)) for name, value in headers])
                self._sinks[stream] = sink = _Http2Sink(self._h2, self._connection, stream, self._pace)
                responses.create_task(self._respond(request, sink))
            case h2.events.StreamReset(stream_id=int(stream)) if stream in self._sinks:
                self._sinks[stream].wake(left=True)
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                self._wake_all(left=False)

    def _wake_all(self, *, left: bool) -> None:
        for sink in self._sinks.values():
            sink.wake(left=left)

    async def _respond(self, request: Request, sink: "_Http2Sink") -> None:
        resource = self._site.find(request.path)
        answer = decide(request, resource)
        record = self._site.ledger.open(
            Record(request.method, request.path, request.headers, answer.status, self._number, "2")
        )
        try:
            await self._send(resource or Resource(b""), answer, record, sink)
        except BodyCutError as cut:
            self._site.ledger.end(record, "cut")
            await self._break_off(cut, sink)
        except (PeerLeftError, h2.exceptions.ProtocolError, *GONE):
            self._site.ledger.end(record, "peer left")
        else:
            self._site.ledger.end(record, "complete")
        finally:
            del self._sinks[sink.stream]

    async def _send(self, resource: Resource, answer: Answer, record: Record, sink: "_Http2Sink") -> None:
        await pause(sink.left, resource.delay_headers)
        headers = [(name.lower(), value) for name, value in answer.headers]
        has_body = answer.span is not None or bool(answer.text)
        self._h2.send_headers(sink.stream, [(":status", str(answer.status)), *headers], not has_body)
        await self._flush()
        if has_body:
            await Exchange(self._site, record, resource, answer, sink).send_body()
            self._h2.end_stream(sink.stream)
            await self._flush()

    async def _break_off(self, cut: BodyCutError, sink: "_Http2Sink") -> None:
        if cut.kind == "reset":
            self._h2.reset_stream(sink.stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
            await self._flush()
            return
        self._h2.close_connection()
        await self._flush()
        self._connection.close()


class _Http2Sink:
    """One stream; sends as the peer's windows allow."""

    def __init__(
        self, h2_connection: h2.connection.H2Connection, connection: Connection, stream: int, pace: Pace
    ) -> None:
        self._h2 = h2_connection
        self._connection = connection
        self._woken = asyncio.Event()
        self.stream = stream
        self.left = asyncio.Event()
        self.pace = pace

    def wake(self, *, left: bool) -> None:
        """The windows may have changed, or the peer is gone."""
        if left:
            self.left.set()
        self._woken.set()

    async def send(self, block: bytes | memoryview) -> None:
        rest = memoryview(block)
        while rest:
            count = self._queue_frames(rest)
            if count:
                await self._connection.write(self._h2.data_to_send())
                rest = rest[count:]
            else:
                await self._woken.wait()

    def _queue_frames(self, data: memoryview) -> int:
        """Queue what the windows allow now; how many bytes that is."""
        if self.left.is_set():
            raise PeerLeftError
        window = self._h2.local_flow_control_window(self.stream)
        frame = self._h2.max_outbound_frame_size
        allowed = min(len(data), max(window, 0))  # changed settings can make a window negative
        for start in range(0, allowed, frame):
            self._h2.send_data(self.stream, data[start : min(start + frame, allowed)])
        if not allowed:
            self._woken.clear()
        return allowed


def _request(headers: list[tuple[str, str]]) -> Request:
    pseudo = {name: value for name, value in headers if name.startswith(":")}
    fields = [(name, value) for name, value in headers if not name.startswith(":")]
    return Request(pseudo[":method"], pseudo[":path"], fields)
