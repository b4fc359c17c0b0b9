"""The options through mitmproxy's own: what they become, and which sentence a mistake gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import addonmanager, exceptions, flowfilter
from mitmproxy.test import taddons, tflow

from addon import options
from addon.options import Prefer, Settings
from addon.search import Proof
from hashdb.paths import default_data_dir


class Declared:
    """An addon that has Nearfetch's options and nothing else."""

    def load(self, loader: addonmanager.Loader) -> None:
        options.declare(loader)


@pytest.fixture
def context() -> Iterator[taddons.context]:
    with taddons.context(Declared(), loadcore=False) as opened:
        yield opened


def read(context: taddons.context, **given: Any) -> Settings:
    context.options.update(**{f"nearfetch_{name}": value for name, value in given.items()})
    return options.read(context.options)


def test_defaults(context: taddons.context) -> None:
    settings = read(context)
    assert settings.data_dir == default_data_dir()
    assert settings.scan_paths == (Path.home() / "Downloads",)
    assert settings.skip is None
    assert settings.prefer is Prefer.BANDWIDTH
    assert (settings.policy.min_size, settings.policy.proof) == (10 << 20, Proof.SAMPLES)
    assert settings.policy.trusted == frozenset()


@pytest.mark.parametrize(("text", "expected"), [("0", 0), ("1", 1), ("64k", 64 << 10), ("2g", 2 << 30)])
def test_sizes(context: taddons.context, text: str, expected: int) -> None:
    assert read(context, min_size=text).policy.min_size == expected


@pytest.mark.parametrize("text", ["", "ten", "-1", "1.5m", "10 m", "10M", "10mb", "9" * 30, "9999999999t", "٣"])
def test_sizes_that_are_none(context: taddons.context, text: str) -> None:
    with pytest.raises(exceptions.OptionsError, match=r"nearfetch_min_size: .*(is no size|larger than any file)"):
        read(context, min_size=text)


def test_a_filter(context: taddons.context) -> None:
    skip = read(context, skip="~d skipped.example").skip
    assert skip is not None
    flow = tflow.tflow()
    flow.request.host = "skipped.example"
    assert flowfilter.match(skip, flow)
    flow.request.host = "other.example"
    assert not flowfilter.match(skip, flow)


@pytest.mark.parametrize("text", ["~", "~d", "(", "~no_such_filter x", "~d ["])
def test_filters_that_are_none(context: taddons.context, text: str) -> None:
    with pytest.raises(exceptions.OptionsError, match=r"nearfetch_skip: .* is no flow filter"):
        read(context, skip=text)


def test_trust_needs_to_know_whom(context: taddons.context) -> None:
    with pytest.raises(exceptions.OptionsError, match="proof=trust needs nearfetch_trusted_origins"):
        read(context, proof="trust")


def test_trust_in_nobody_is_no_trust(context: taddons.context) -> None:
    with pytest.raises(exceptions.OptionsError, match="needs nearfetch_trusted_origins"):
        read(context, proof="trust", trusted_origins=[""])


def test_trusted_origins_are_lower_case(context: taddons.context) -> None:
    policy = read(context, proof="trust", trusted_origins=["HTTPS://A.Example", "b.example:8443"]).policy
    assert policy.trusted == {"https://a.example", "b.example:8443"}
    assert policy.proof is Proof.TRUST


@pytest.mark.parametrize(("name", "value"), [("proof", "head"), ("prefer", "latency")])
def test_choices(context: taddons.context, name: str, value: str) -> None:
    settings = read(context, **{name: value})
    assert value in (settings.prefer.value, settings.policy.proof.value)


@pytest.mark.parametrize(("name", "value"), [("proof", "faith"), ("proof", ""), ("prefer", "LATENCY")])
def test_choices_that_there_are_not(context: taddons.context, name: str, value: str) -> None:
    with pytest.raises(exceptions.OptionsError):
        read(context, **{name: value})


@pytest.mark.parametrize("name", ["proof", "prefer"])
def test_a_choice_that_was_set_before_it_was_known(name: str) -> None:
    with taddons.context(loadcore=False) as context:
        context.options.update_defer(**{f"nearfetch_{name}": "nonsense"})
        context.master.addons.add(Declared())
        context.options.process_deferred()
        with pytest.raises(exceptions.OptionsError, match=f"nearfetch_{name}: 'nonsense' is none of "):
            options.read(context.options)


def test_folders(context: taddons.context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.chdir(tmp_path)
    settings = read(context, scan_paths=["~/isos", "/srv/files", "", "here"], data_dir="~/data")
    assert settings.scan_paths == (Path("/home/somebody/isos"), Path("/srv/files"), tmp_path / "here")
    assert settings.data_dir == Path("/home/somebody/data")
    assert read(context, scan_paths=[]).scan_paths == ()


@pytest.mark.parametrize("given", [{"scan_paths": ["~nobody-of-this-name/x"]}, {"data_dir": "~nobody-of-this-name/x"}])
def test_the_home_of_somebody_unknown(context: taddons.context, given: dict[str, Any]) -> None:
    with pytest.raises(exceptions.OptionsError, match="nobody-of-this-name"):
        read(context, **given)


def test_every_option_has_a_name_of_ours_and_says_what_it_means(context: taddons.context) -> None:
    ours = [name for name, _ in context.options.items() if name.startswith(options.PREFIX)]
    assert len(ours) == 7
    assert set(ours) >= options.ABOUT_THE_INDEX
    assert all(context.options._options[name].help for name in ours)
