"""Work through many files in threads, and hand what is finished to one writer in small batches."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, Queue
from typing import Any

from hashdb.digest import BLOCK_SIZE

BATCH_SECONDS = 1.0
"""A result is handed over after this time at the latest: what a killed scan can lose."""

BATCH_RESULTS = 500
"""Results in a batch at most."""

POLL_SECONDS = 0.05


class StoppedError(Exception):
    """The user wants an end; nothing is wrong."""


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Finished:
    """What a thread leaves in the queue when it ends."""


def in_batches[Task, Result](
    tasks: Iterable[Task],
    work: Callable[[Task, bytearray], Result],
    *,
    threads: int,
    stop: threading.Event,
) -> Generator[list[Result], None, None]:
    """Call `work(task, buffer)` for every task in `threads` threads; yield the results as they come.

    Each thread has one buffer of a block. When `stop` is set no further task is begun, `work` may raise
    StoppedError, and what is finished is still yielded. Whatever else `work` raises ends everything and is
    raised. Close the generator where you end early: it then sets `stop` and waits for the threads.
    """
    results: Queue[Result | _Finished] = Queue(BATCH_RESULTS)
    shared = _Shared(tasks)

    def work_on() -> None:
        buffer = bytearray(BLOCK_SIZE)
        try:
            while not stop.is_set() and (task := shared.take()) is not None:
                results.put(work(task[0], buffer))
        except StoppedError:
            pass
        except BaseException:
            stop.set()
            raise
        finally:
            results.put(_Finished())

    with ThreadPoolExecutor(threads, thread_name_prefix="hashdb") as pool:
        futures = [pool.submit(work_on) for _ in range(threads)]
        try:
            yield from _batches(results, threads)
        except BaseException:
            stop.set()
            _discard(results, futures)
            raise
        for future in futures:
            future.result()


def _discard(results: Queue[Any], futures: Sequence[Future[None]]) -> None:
    # Nobody takes from the queue any more, and a thread that waits for room in it would never end.
    while not all(future.done() for future in futures):
        with suppress(Empty):
            results.get(timeout=POLL_SECONDS)


class _Shared[Task]:
    """An iterator that many threads may take from."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks = iter(tasks)
        self._lock = threading.Lock()

    def take(self) -> tuple[Task] | None:
        """The next task, in a tuple since a task may be anything; None when there is none."""
        with self._lock:
            for task in self._tasks:
                return (task,)
        return None


def _batches[Result](results: Queue[Result | _Finished], running: int) -> Iterator[list[Result]]:
    batch: list[Result] = []
    due = time.monotonic() + BATCH_SECONDS
    while running:
        try:
            result = results.get(timeout=max(0.0, due - time.monotonic()))
        except Empty:
            pass
        else:
            if isinstance(result, _Finished):
                running -= 1
            else:
                batch.append(result)
        overdue = time.monotonic() >= due
        if batch and (overdue or len(batch) >= BATCH_RESULTS):
            yield batch
            batch = []
        if overdue:
            due = time.monotonic() + BATCH_SECONDS
    if batch:
        yield batch
