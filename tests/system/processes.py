"""The real programs, run as processes of their own."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
NEARFETCH = (sys.executable, "-m", "addon")
MITMDUMP = (str(Path(sys.executable).with_name("mitmdump")),)
"""The stock proxy, to compare with."""

type Setting = str | int | bool | Path | Sequence[str | Path]

_LISTENING = r"listening at (?P<host>[0-9.]+):(?P<port>\d+)"


def clean_environment(**additions: str) -> dict[str, str]:
    """This process's environment without proxies, which would lead clients astray."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return kept | additions


def set_arguments(name: str, value: Setting) -> list[str]:
    """`--set` as mitmproxy wants it: sequences by repetition, an empty one by the bare name."""
    match value:
        case bool():
            return ["--set", f"{name}={str(value).lower()}"]
        case str() | int() | Path():
            return ["--set", f"{name}={value}"]
        case _:
            pairs = [argument for item in value for argument in ("--set", f"{name}={item}")]
            return pairs or ["--set", name]


class Process:
    """A program whose output goes into a file and can be awaited; a context manager."""

    def __init__(self, command: Sequence[str], log_file: Path, environment: dict[str, str]) -> None:
        self._command = list(command)
        self._environment = environment
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._output_ended = False
        self.log_file = log_file

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            cwd=REPOSITORY,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output, self.log_file.open("a", encoding="utf-8") as copy:
            for line in output:
                copy.write(line)
                copy.flush()
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._output_ended = True
            self._changed.notify_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """All output so far."""
        with self._changed:
            return "".join(self._lines)

    def wait_for_log(self, pattern: str, timeout: float = 10.0, start: int = 0) -> re.Match[str]:
        """The first match in the log from character `start` on, as soon as it is there.

        Raises TimeoutError with the log after `timeout` seconds, or when the process ends without it.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                text = "".join(self._lines)
                if match := re.compile(pattern, re.MULTILINE).search(text, start):
                    return match
                left = deadline - time.monotonic()
                if left <= 0 or self._output_ended:
                    raise TimeoutError(f"no {pattern!r} in the log:\n{text}")
                self._changed.wait(left)

    def terminate(self, timeout: float = 10.0) -> int:
        """Ask it to end, and kill it after `timeout` seconds; its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill9()
        self._reader.join(timeout)
        return code

    def wait(self, timeout: float = 10.0) -> int:
        """Until it ends by itself; its exit code."""
        code = self._process.wait(timeout)
        self._reader.join(timeout)
        return code

    def kill9(self) -> int:
        """What a power failure leaves behind; its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        code = self._process.wait()
        self._reader.join(1.0)  # a child may still hold the pipe
        return code

    def running(self) -> bool:
        return self._process.poll() is None

    def rss(self) -> int:
        """Resident memory now, in bytes."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def peak_rss(self) -> int:
        """The most resident memory that it ever had, in bytes (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
        match = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
        assert match is not None, "the process has ended"
        return int(match[1]) * 1024

    def cpu_seconds(self) -> float:
        """User and system time of the process itself, without its children."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def open_files(self) -> int:
        """Descriptors of any sort, sockets included."""
        return int(psutil.Process(self.pid).num_fds())


class Proxy(Process):
    """Nearfetch, or another mitmproxy, on a free port of 127.0.0.1.

    `options` are Nearfetch's, without their prefix: `Proxy(folder, min_size="1m", scan_paths=[downloads])`.
    The same folder again is a restart with what the last one left.
    """

    def __init__(
        self,
        folder: Path,
        *,
        origin_ca: Path | None = None,
        command: Sequence[str] = NEARFETCH,
        arguments: Sequence[str] = (),
        port: int = 0,
        **options: Setting,
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.conf_dir = folder / "conf"
        self.conf_dir.mkdir(parents=True, exist_ok=True)
        self.ca_file = self.conf_dir / "mitmproxy-ca-cert.pem"
        """What clients must trust."""
        self.host, self.port = "127.0.0.1", port
        settings: dict[str, Setting] = {"confdir": self.conf_dir}
        if origin_ca is not None:
            settings["ssl_verify_upstream_trusted_ca"] = origin_ca
        # a stock mitmproxy passes over options that it does not know
        defaults: dict[str, Setting] = {"data_dir": self.data_dir, "scan_paths": []}
        settings |= {f"nearfetch_{name}": value for name, value in (defaults | options).items()}
        sets = [argument for name, value in settings.items() for argument in set_arguments(name, value)]
        # port 0: the kernel's choice cannot be taken by another before the proxy has it
        listen = ["--listen-host", self.host, "--listen-port", str(port)]
        environment = clean_environment(
            PYTHONUNBUFFERED="1", XDG_DATA_HOME=str(folder / "xdg"), XDG_CONFIG_HOME=str(folder / "xdg")
        )
        super().__init__([*command, *listen, *sets, *arguments], folder / "proxy.log", environment)

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.port = int(self.wait_for_log(_LISTENING, timeout=30.0)["port"])
            assert self.ca_file.exists(), "mitmproxy writes its authority before it listens"
        except BaseException:
            self.kill9()
            raise
        return self

    @property
    def url(self) -> str:
        """For clients' proxy settings."""
        return f"http://{self.host}:{self.port}"


def run_hashdb(*arguments: str | Path, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run `nearfetch-hashdb` to its end; exit code, stdout and stderr are the caller's to judge."""
    command = [sys.executable, "-m", "hashdb", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
