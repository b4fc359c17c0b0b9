"""The hash database as the proxy uses it: lookups that never wait, and never a failure."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hashdb.digest import Digest
from hashdb.errors import StoreError
from hashdb.records import KnownFile, Statistics
from hashdb.store import HashStore

logger = logging.getLogger(__name__)

REOPEN_SECONDS = 30.0
"""How long a database that could not be opened is left alone."""

LOOKUP_BUSY_MS = 50
"""Milliseconds that opening may wait for another program's lock; it happens on the event loop."""


class Index:
    """Which files are held. Where the database cannot be used, none are, and the log says why, once."""

    def __init__(self) -> None:
        # Of its own: reads that hang on a bad disk must not stand in its way.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="nearfetch-index")
        self._data_dir: Path | None = None
        self._store: HashStore | None = None
        self._said = ""
        self._try_again_at = 0.0

    def open(self, data_dir: Path) -> None:
        """Open the database in this folder, or say why that cannot be."""
        self.close()
        self._data_dir = data_dir
        self._open(data_dir)

    def _open(self, data_dir: Path) -> None:
        self._try_again_at = time.monotonic() + REOPEN_SECONDS
        try:
            self._store = HashStore.open(data_dir, busy_timeout_ms=LOOKUP_BUSY_MS)
        except StoreError as error:
            self._say(error)
        else:
            self._said = ""

    @property
    def problem(self) -> str:
        """Why the database cannot be used; empty where it can."""
        return self._said

    def find(self, digests: Iterable[Digest]) -> list[KnownFile]:
        """The files that have these digests; none where the database cannot be used."""
        if self._store is None and self._data_dir and time.monotonic() >= self._try_again_at:
            self._open(self._data_dir)
        if self._store is None:
            return []
        try:
            return self._store.find(digests)
        except StoreError as error:
            self._say(error)
            self.close()
            return []

    def forget(self, record: KnownFile, reason: str) -> None:
        """Drop a record that its file does not match, in a thread."""
        logger.warning("Nearfetch: %s; it is forgotten until the next scan.", reason)
        if self._store is not None:
            self._writer.submit(self._forget_now, self._store, record)

    def _forget_now(self, store: HashStore, record: KnownFile) -> None:
        try:
            store.forget_known(record)
        except StoreError as error:
            # Lookups may go on all the same, and a copy that fails again is rejected again.
            logger.warning("Nearfetch: a record stays that should go. %s", error)

    def statistics(self) -> Statistics | None:
        """What is indexed; None where the database cannot be used."""
        if self._store is None:
            return None
        try:
            return self._store.statistics()
        except StoreError as error:
            self._say(error)
            return None

    def close(self) -> None:
        """Close the database. A later lookup may open it again."""
        store, self._store = self._store, None
        if store is not None:
            self._writer.submit(store.close)

    def _say(self, error: StoreError) -> None:
        if str(error) != self._said:
            self._said = str(error)
            # No error for mitmproxy: it would end the proxy if that came during its start.
            logger.warning("Nearfetch: %s Until then, downloads go on as plain ones.", error)
