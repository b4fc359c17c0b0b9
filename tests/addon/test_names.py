"""The names of mitmproxy that are relied on: all are there, all are listed, and one that is gone is noticed."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from enum import EnumType
from pathlib import Path

import pytest

import addon.mitm
from addon.mitm import names

SOURCES = sorted(Path(addon.mitm.__file__).parent.glob("*.py"))

PUBLIC = {
    "mitmproxy.http.HTTPFlow": "the flow of every addon; without it no addon loads",
    "mitmproxy.http.Request": "documented for addons",
    "mitmproxy.flow.Error": "documented for addons; its message for killed flows is listed",
    "mitmproxy.connection.Client": "documented for addons; its copy is listed",
    "mitmproxy.connection.Connection": "documented for addons; used as a type alone",
    "mitmproxy.connection.ConnectionState": "its member is listed",
    "mitmproxy.master.Master": "what every addon finds in ctx.master; used as a type alone",
    "mitmproxy.options.Options": "what every addon finds in ctx.options; used as a type alone",
    "mitmproxy.proxy.layer.CommandGenerator": "a type alias, for annotations alone",
    "mitmproxy.proxy.events.Event": "a base class of listed ones, for annotations alone",
}
"""Names that need not be listed, each with the reason."""


def used_names(source: Path) -> Iterator[str]:
    """All that a file uses of mitmproxy, as `module.name` or `module.Class.attribute`."""
    tree = ast.parse(source.read_text())
    meanings: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mitmproxy"):
            meanings |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        assert not (isinstance(node, ast.Import) and any(name.name.startswith("mitmproxy") for name in node.names))
    yield from meanings.values()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in meanings:
            yield f"{meanings[node.value.id]}.{node.attr}"


def is_module(dotted: str) -> bool:
    try:
        importlib.import_module(dotted)
    except ImportError:
        return False
    return True


LISTED = {f"{module}.{name}" for module, listed in names.REQUIRED.items() for name in listed}


def is_listed(used: str) -> bool:
    """Itself, or something of it: a class is needed for what it has."""
    return used in LISTED or any(listed.startswith(f"{used}.") for listed in LISTED)


def test_this_mitmproxy_has_them_all() -> None:
    assert names.missing() == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_all_that_is_used_is_listed(source: Path) -> None:
    used = {name for name in used_names(source) if not is_module(name)}
    assert {name for name in used if not is_listed(name) and name not in PUBLIC} == set()


def test_every_exception_is_still_needed() -> None:
    used = {name for source in SOURCES for name in used_names(source)}
    assert {name for name in PUBLIC if name not in used or name in LISTED} == set()


def owner_of(dotted: str) -> tuple[object, str]:
    """The module or class that has it, and its name there."""
    module = max((name for name in names.REQUIRED if dotted.startswith(f"{name}.")), key=len)
    *path, last = dotted.removeprefix(f"{module}.").split(".")
    owner: object = importlib.import_module(module)
    for part in path:
        owner = getattr(owner, part)
    return owner, last


REMOVABLE = sorted(name for name in LISTED if not isinstance(owner_of(name)[0], EnumType))
"""Python lets nobody take a member out of an enumeration."""


@pytest.mark.parametrize("dotted", REMOVABLE)
def test_one_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch, dotted: str) -> None:
    owner, last = owner_of(dotted)
    for place in owner.__mro__ if isinstance(owner, type) else [owner]:
        if last in vars(place):
            monkeypatch.delattr(place, last)
    assert dotted in names.missing()


def test_a_module_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = "mitmproxy.proxy.layers.http._http2"
    monkeypatch.setitem(sys.modules, gone, None)
    assert f"{gone}.Http2Server" in names.missing()


@pytest.mark.parametrize(("owner", "name"), [(o, n) for o, listed in names.ATTRIBUTES.items() for n in listed])
def test_an_attribute_that_is_declared_no_more_is_named(monkeypatch: pytest.MonkeyPatch, owner: str, name: str) -> None:
    module, class_name = owner.split(":")
    declaring = getattr(importlib.import_module(module), class_name)
    for base in declaring.__mro__:
        if name in vars(base).get("__annotations__", {}):
            monkeypatch.delitem(base.__annotations__, name)
    assert names.missing() == [f"{module}.{class_name}.{name}"]


def test_an_unknown_name_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(names.REQUIRED, "mitmproxy.flow", ("Error.NO_SUCH_NAME", "NoSuchClass.x"))
    monkeypatch.setitem(names.ATTRIBUTES, "mitmproxy.flow:NoSuchClass", ("x",))
    assert names.missing() == [
        "mitmproxy.flow.Error.NO_SUCH_NAME",
        "mitmproxy.flow.NoSuchClass.x",
        "mitmproxy.flow.NoSuchClass.x",
    ]
