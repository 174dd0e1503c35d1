"""docs/PROTOCOL.md against the code: version, messages and fields, limits, states, error codes."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from protocol.limits import LIMITS, SOCKET_FRAME
from protocol.mesh import MeshData
from protocol.messages import (
    ASIDE,
    CLIENT_MESSAGES,
    CORRESPONDENCES,
    PROTOCOL,
    SERVER_MESSAGES,
    MatchRequest,
    MorphRequest,
    Outline,
    ReconstructRequest,
    RefineRequest,
    Stop,
    SurfaceRequest,
    Timeline,
)
from protocol.settings import MethodSpec, SettingSpec
from protocol.shape import ShapeData
from protocol.states import AFTER_RESTART, NEXT

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")
CODES = {np.float32: "f4", np.float64: "f8", np.int32: "i4", np.uint32: "u4", np.uint8: "u1", np.generic: "array"}


def section(title: str) -> str:
    """The text of a section, up to the next heading of the same or a higher level."""
    start = re.search(rf"^(#+) .*{re.escape(title)}.*$", TEXT, re.MULTILINE)
    assert start, title
    end = re.search(rf"^#{{1,{len(start[1])}}} ", TEXT[start.end() :], re.MULTILINE)
    return TEXT[start.end() :][: end.start() if end else None]


def table(text: str) -> dict[str, list[str]]:
    """First cell (without backquotes) -> the other cells, of the tables of a text."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {row[0].strip("`"): row[1:] for row in rows if row[0].startswith("`") or re.match(r"\d", row[0])}


def paragraphs(text: str) -> dict[str, str]:
    """**Name** -> its paragraph on one line."""
    found = {}
    for block in text.split("\n\n"):
        named = re.match(r"\s*\*\*(\w+)\*\*", block)
        if named:
            found[named[1]] = " ".join(block.split())
    return found


def kind_of(hint: Any) -> str:
    """A type annotation as the document writes it, without shapes."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return kind_of(arguments[0])
    if hint in (bool, int, float, str):
        return str(hint.__name__)
    if hint is Any:
        return "plain"
    if origin is Literal:
        return "str"
    if origin is np.ndarray:
        return CODES[get_args(arguments[1])[0]]
    if origin in (Union, types.UnionType):
        kinds = [kind_of(kind) for kind in arguments if kind is not types.NoneType]
        return " | ".join(kinds) + ("?" if types.NoneType in arguments else "")
    if origin is tuple:
        return f"[{kind_of(arguments[0])}]" if arguments[-1] is Ellipsis else f"[{', '.join(map(kind_of, arguments))}]"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"{{str: {kind_of(arguments[1])}}}"
    assert is_dataclass(hint)
    return str(hint.__name__)


def without_shapes(text: str) -> str:
    """`f4? [F + 1] = nil` -> `f4?`: what follows the type of an array, and defaults."""
    text = re.sub(r" = .*", "", text)
    text = re.sub(r"(f4|f8|i4|u1|array)(\??) \[.*?\]( or \[.*?\])?", r"\1\2", text)
    return text


def documented(paragraph: str) -> dict[str, str]:
    found = re.findall(r"`(\w+): ((?:[^`])+)`( \(aside\))?", paragraph)
    return {name: without_shapes(kind) + aside for name, kind, aside in found}


COMPOSED = (
    MorphRequest,
    MatchRequest,
    Stop,
    SurfaceRequest,
    Outline,
    RefineRequest,
    ReconstructRequest,
    ShapeData,
    MeshData,
    Timeline,
    MethodSpec,
    SettingSpec,
)


@pytest.mark.parametrize("kind", [*CLIENT_MESSAGES, *SERVER_MESSAGES, *COMPOSED], ids=lambda kind: kind.__name__)
def test_every_field_stands_in_the_document_as_in_the_code(kind: type) -> None:
    paragraph = paragraphs(TEXT)[kind.__name__]
    hints = get_type_hints(kind, include_extras=True)
    aside = {f.name: " (aside)" if ASIDE in getattr(hints[f.name], "__metadata__", ()) else "" for f in fields(kind)}
    assert documented(paragraph) == {f.name: kind_of(hints[f.name]) + aside[f.name] for f in fields(kind)}
    for f in fields(kind):
        if kind is not MeshData and f.default is not MISSING:
            default = re.search(rf"`{f.name}: [^`]* = ([^`]*)`", paragraph)
            assert default, f"{kind.__name__}.{f.name} has a default that the document lacks"
            assert default[1] == ("nil" if f.default is None else json.dumps(f.default))


def test_the_document_lists_every_message_and_no_other_on_the_right_side() -> None:
    assert list(paragraphs(section("Client to server"))) == [kind.__name__ for kind in CLIENT_MESSAGES]
    assert list(paragraphs(section("Server to client"))) == [kind.__name__ for kind in SERVER_MESSAGES]
    assert list(paragraphs(section("Composed values"))) == [kind.__name__ for kind in COMPOSED]


def test_the_ways_to_match_agree() -> None:
    named = re.search(r"`correspondence: [^`]*` \(([^)]*)\)", paragraphs(TEXT)["MorphRequest"])
    assert named
    assert named[1].split(", ") == list(CORRESPONDENCES)


def test_the_version_of_document_and_code_agree() -> None:
    version = f"{PROTOCOL[0]}.{PROTOCOL[1]}"
    assert f"**Version {version}.**" in TEXT
    assert list(table(section("Changes")))[-1] == version


def test_the_limits_agree() -> None:
    assert {name: int(row[0]) for name, row in table(section("4. Limits")).items()} == asdict(LIMITS)
    assert str(SOCKET_FRAME) in section("4. Limits")


def test_the_states_agree() -> None:
    rows = table(section("8. Jobs"))
    assert {name: set(re.findall(r"`(\w+)`", row[0])) for name, row in rows.items()} == NEXT
    assert {name: row[1].strip("`") for name, row in rows.items()} == AFTER_RESTART


def test_every_error_code_of_the_code_is_documented() -> None:
    known = set(table(section("Error codes")))
    used: set[str] = set()
    for folder in ("protocol", "backend"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            used |= set(re.findall(r'\b(?:WireError|Error|Failure)\(\s*"([a-z-]+)"', text))
            used |= set(re.findall(r'\bcode="([a-z-]+)"', text))
    assert len(used) >= 8
    assert used <= known, f"not in docs/PROTOCOL.md: {sorted(used - known)}"
