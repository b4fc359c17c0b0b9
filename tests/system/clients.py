"""Real clients, through the proxy into a file."""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypedDict, Unpack

import pytest
import requests

from tests.system.processes import clean_environment

type HeaderPairs = Sequence[tuple[str, str]]

TIMEOUT = 100.0
"""Seconds after which a client is killed."""


class Via(Protocol):
    """The proxy to go through."""

    ca_file: Path

    @property
    def url(self) -> str: ...


@dataclass(frozen=True)
class Result:
    """What a client made of a download."""

    exit_code: int
    path: Path
    """Its output; may be missing after a failure."""
    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    stderr: str = ""

    def header(self, name: str) -> str | None:
        """The first response header of that name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def digest(self, algorithm: str = "sha256") -> str:
        """Of the output, in hexadecimal."""
        with self.path.open("rb") as output:
            return hashlib.file_digest(output, algorithm).hexdigest()


def available(name: str) -> bool:
    return shutil.which(name) is not None


def require(*names: str) -> None:
    """Skip the test where one of these programs is missing."""
    for name in names:
        if not available(name):
            pytest.skip(f"{name} is not installed")


@dataclass(frozen=True)
class Running:
    """A client that is still at it."""

    process: subprocess.Popen[str]
    path: Path
    header_file: Path | None = None

    def wait(self, timeout: float = TIMEOUT) -> Result:
        """Its result; killed after `timeout` seconds, which TimeoutExpired says."""
        try:
            _, stderr = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        heads = stderr
        if self.header_file is not None:
            heads = self.header_file.read_text("latin-1") if self.header_file.exists() else ""
        status, headers = _last_head(heads)
        return Result(self.process.returncode, self.path, status, headers, stderr)

    def kill(self) -> None:
        """As if its user had had enough."""
        self.process.kill()
        self.process.wait()


class CurlOptions(TypedDict, total=False):
    proxy: Via | None
    ca: Path | None
    """Where not the proxy's."""
    http2: bool
    headers: HeaderPairs
    range: str
    """As in "0-99"."""
    limit_rate: str
    """As in "2M", bytes per second."""
    extra: Sequence[str]


def start_curl(url: str, path: Path, **options: Unpack[CurlOptions]) -> Running:
    header_file = path.with_name(f"{path.name}.headers")
    header_file.unlink(missing_ok=True)
    proxy, headers = options.get("proxy"), options.get("headers", ())
    trusted = _trusted(proxy, options.get("ca"))
    command = [
        "curl",
        "-sS",
        "--http2" if options.get("http2") else "--http1.1",
        "--suppress-connect-headers",
    ]
    command += ["-D", str(header_file), "-o", str(path), "--noproxy", ""]
    command += ["--proxy", proxy.url] if proxy else []
    command += ["--cacert", str(trusted)] if trusted else []
    command += [argument for name, value in headers for argument in ("-H", f"{name}: {value}")]
    command += ["--range", options["range"]] if "range" in options else []
    command += ["--limit-rate", options["limit_rate"]] if "limit_rate" in options else []
    return Running(_start([*command, *options.get("extra", ()), url]), path, header_file)


def curl(url: str, path: Path, **options: Unpack[CurlOptions]) -> Result:
    """Exit codes: 18 too short, 28 too slow (`--speed-limit`, `-m`), 56 reset, 92 HTTP/2 stream reset."""
    return start_curl(url, path, **options).wait()


def wget(
    url: str,
    path: Path,
    *,
    proxy: Via | None = None,
    ca: Path | None = None,
    headers: HeaderPairs = (),
    extra: Sequence[str] = (),
) -> Result:
    """One try only, unless `extra` says otherwise; with `-c` it goes on with the file at `path`."""
    command = ["wget", "--no-config", "--no-verbose", "--server-response", "--tries=1", "-O", str(path)]
    command += [f"--ca-certificate={trusted}"] if (trusted := _trusted(proxy, ca)) else []
    command += [f"--header={name}: {value}" for name, value in headers]
    proxies = {"http_proxy": proxy.url, "https_proxy": proxy.url} if proxy else {}
    return Running(_start([*command, *extra, url], **proxies), path).wait()


def aria2c(
    url: str,
    path: Path,
    *,
    proxy: Via | None = None,
    ca: Path | None = None,
    connections: int = 1,
    headers: HeaderPairs = (),
    extra: Sequence[str] = (),
) -> Result:
    """`connections` at once (at most 16) to the same server; status and headers are not known."""
    command = ["aria2c", "--no-conf", "--quiet", "--dir", str(path.parent), "--out", path.name]
    command += ["--file-allocation=none", "--allow-overwrite=true", "--max-tries=1", "--min-split-size=1M"]
    command += [f"--max-connection-per-server={connections}", f"--split={connections}"]
    command += [f"--all-proxy={proxy.url}"] if proxy else []
    command += [f"--ca-certificate={trusted}"] if (trusted := _trusted(proxy, ca)) else []
    command += [f"--header={name}: {value}" for name, value in headers]
    return Running(_start([*command, *extra, url]), path).wait()


def requests_get(
    url: str, path: Path, *, proxy: Via | None = None, ca: Path | None = None, headers: HeaderPairs = ()
) -> Result:
    """Streamed; exit code 1 and the error's text for what Requests raises."""
    trusted = _trusted(proxy, ca)
    with requests.Session() as session, path.open("wb") as output:
        session.trust_env = False
        session.proxies = {"http": proxy.url, "https": proxy.url} if proxy else {}
        try:
            with session.get(
                url,
                headers=dict(headers),
                stream=True,
                timeout=TIMEOUT,
                verify=str(trusted) if trusted else True,
            ) as response:
                known = response.status_code, list(response.headers.items())
                output.writelines(response.iter_content(256 * 1024))
        except requests.RequestException as error:
            return Result(1, path, stderr=str(error))
    return Result(0, path, *known)


def _trusted(proxy: Via | None, ca: Path | None) -> Path | None:
    return ca or (proxy.ca_file if proxy else None)


def _start(command: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def _last_head(text: str) -> tuple[int | None, list[tuple[str, str]]]:
    """Status and headers of the last response, which follows those of redirects."""
    starts = list(re.finditer(r"^\s*HTTP/[0-9.]+ (\d{3})", text, re.MULTILINE))
    if not starts:
        return None, []
    pairs: list[tuple[str, str]] = []
    for line in text[starts[-1].end() :].splitlines()[1:]:
        if (match := re.fullmatch(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?(.*)", line)) is None:
            break
        pairs.append((match[1], match[2].strip()))
    return int(starts[-1][1]), pairs
