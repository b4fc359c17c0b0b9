"""Nearfetch's options, as the user writes them and as the rest of the addon reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mitmproxy import exceptions, flowfilter
from mitmproxy.addonmanager import Loader
from mitmproxy.options import Options

from addon.plan import Policy
from addon.search import Proof
from hashdb.paths import default_data_dir
from hashdb.sizes import InvalidSizeError, parse_size

PREFIX = "nearfetch_"

ABOUT_THE_INDEX = {f"{PREFIX}data_dir", f"{PREFIX}scan_paths", f"{PREFIX}min_size"}
"""Options whose change means another database or another scan."""


class Prefer(StrEnum):
    """What to spare while a nearer source is being made ready."""

    BANDWIDTH = "bandwidth"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class Settings:
    """The options, read."""

    data_dir: Path
    scan_paths: tuple[Path, ...]
    skip: flowfilter.TFilter | None
    prefer: Prefer
    policy: Policy


def declare(loader: Loader) -> None:
    """Add the options to mitmproxy."""
    add = loader.add_option
    add(
        f"{PREFIX}data_dir",
        str,
        str(default_data_dir()),
        "Folder of the hash database.",
    )
    add(
        f"{PREFIX}scan_paths",
        Sequence[str],
        ["~/Downloads"],
        "Folders whose files are indexed, so that downloads of the same content come from there.",
    )
    add(
        f"{PREFIX}min_size",
        str,
        "10m",
        "Smaller files are neither indexed nor touched. The faster the line, the larger it may be.",
    )
    add(f"{PREFIX}skip", str, "", "Flows that are left alone: a mitmproxy flow filter, ~d example.com say.")
    add(
        f"{PREFIX}proof",
        str,
        Proof.SAMPLES.value,
        "What an origin has to show before local bytes are handed out for its digest: 'samples' of the file, "
        "its 'head', or 'trust' for nothing, which holds for nearfetch_trusted_origins alone.",
        choices=[proof.value for proof in Proof],
    )
    add(
        f"{PREFIX}trusted_origins",
        Sequence[str],
        [],
        "Origins whose digests are believed without proof, as HOST, HOST:PORT or SCHEME://HOST[:PORT].",
    )
    add(
        f"{PREFIX}prefer",
        str,
        Prefer.BANDWIDTH.value,
        "'bandwidth': the origin waits a moment while a nearer copy is made ready. 'latency': both race.",
        choices=[prefer.value for prefer in Prefer],
    )


def read(options: Options) -> Settings:
    """Raises mitmproxy's OptionsError, with a sentence that says what to do."""

    def value(name: str) -> str:
        return str(getattr(options, PREFIX + name))

    proof = Proof(_choice("proof", value("proof"), Proof))
    trusted = [name for name in getattr(options, f"{PREFIX}trusted_origins") if name]
    if proof is Proof.TRUST and not trusted:
        raise exceptions.OptionsError(
            f"{PREFIX}proof=trust needs {PREFIX}trusted_origins: name the origins that are to be trusted."
        )
    return Settings(
        data_dir=_folder("data_dir", value("data_dir")),
        scan_paths=tuple(_folder("scan_paths", name) for name in getattr(options, f"{PREFIX}scan_paths") if name),
        skip=_filter(value("skip")),
        prefer=Prefer(_choice("prefer", value("prefer"), Prefer)),
        policy=Policy(_size("min_size", value("min_size")), proof, frozenset(map(str.lower, trusted))),
    )


def _choice(name: str, text: str, choices: type[StrEnum]) -> str:
    # mitmproxy holds values that were set before the option was known to no choices.
    if text not in list(choices):
        raise exceptions.OptionsError(f"{PREFIX}{name}: {text!r} is none of {', '.join(choices)}.")
    return text


def _folder(name: str, text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise exceptions.OptionsError(f"{PREFIX}{name}: nobody here has the home folder of {text!r}.") from None


def _size(name: str, text: str) -> int:
    try:
        return parse_size(text)
    except InvalidSizeError as error:
        raise exceptions.OptionsError(f"{PREFIX}{name}: {error}") from None


def _filter(text: str) -> flowfilter.TFilter | None:
    if not text:
        return None
    try:
        return flowfilter.parse(text)
    except ValueError as error:
        raise exceptions.OptionsError(
            f"{PREFIX}skip: {text!r} is no flow filter ({error}); see `mitmdump --help` for the syntax."
        ) from None
