"""What was asked of the origin and how much it sent, for tests to look at and to wait for."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.origin.answer import Headers

type Ending = Literal["", "complete", "cut", "peer left"]


@dataclass
class Record:
    """One request, and what became of its answer."""

    method: str
    path: str
    headers: Headers
    status: int
    connection: int
    """The same for all requests of one connection."""
    http: Literal["1.1", "2"]
    body_bytes: int = 0
    """Bytes of the body that the socket layer took."""
    ended: Ending = ""
    """Empty while the answer is still being sent."""

    @property
    def finished(self) -> bool:
        """The whole answer was sent."""
        return self.ended == "complete"

    def header(self, name: str) -> str | None:
        """The first request header of that name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Ledger:
    """All records; written by the origin's thread, read and awaited by the tests'."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.records: list[Record] = []
        self.body_bytes = 0
        self.open_connections = 0
        self._last_connection = 0

    def connect(self) -> int:
        """The new connection's number."""
        with self.changed:
            self.open_connections += 1
            self._last_connection += 1
            self.changed.notify_all()
            return self._last_connection

    def disconnect(self) -> None:
        with self.changed:
            self.open_connections -= 1
            self.changed.notify_all()

    def open(self, record: Record) -> Record:
        with self.changed:
            self.records.append(record)
            self.changed.notify_all()
        return record

    def sent(self, record: Record, count: int) -> None:
        with self.changed:
            record.body_bytes += count
            self.body_bytes += count
            self.changed.notify_all()

    def end(self, record: Record, ending: Ending) -> None:
        with self.changed:
            record.ended = ending
            self.changed.notify_all()

    def reset(self) -> None:
        """Forget all records; what is still being sent counts from zero."""
        with self.changed:
            for record in self.records:
                record.body_bytes = 0
            self.records = []
            self.body_bytes = 0

    def wait_for(self, predicate: Callable[[], bool], timeout: float) -> None:
        """Return as soon as the predicate holds; looked at after every change.

        Raises TimeoutError with the records, after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        with self.changed:
            while not predicate():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"not so within {timeout} s; the origin saw {self.records}")
                # the predicate may read other things than the ledger: look again now and then
                self.changed.wait(min(left, 0.1))
