"""The rules of the house, read from the source: who may import whom, and how long a file may be."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 400

FILES = sorted(
    path
    for folder in ("protocol", "backend", "addon", "tests")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)
NAMES = [str(path.relative_to(ROOT)) for path in FILES]

COMPUTING = ("backend.methods", "backend.surfaces", "backend.pipeline")
LEAVES = ("backend.service", "backend.commands", "backend.cli", "backend.executors")

# folder -> module prefixes that nothing in it may import
FORBIDDEN = {
    "protocol": ("torch", "bpy", "backend", "addon"),
    "addon": ("torch", "backend"),
    "backend": ("addon",),
    "backend/geometry": (*COMPUTING, *LEAVES, "backend.correspondence", "backend.training", "backend.evaluation"),
    "backend/fields": (*COMPUTING, *LEAVES, "backend.losses", "backend.training"),
    "backend/flow": (*COMPUTING, *LEAVES, "backend.losses", "backend.training"),
    "backend/losses": (*COMPUTING, *LEAVES, "backend.training"),
    "backend/correspondence": (*COMPUTING, *LEAVES),
    "backend/training": (*COMPUTING, *LEAVES),
    "backend/methods": (*LEAVES, "backend.guidance"),
    "backend/surfaces": LEAVES,
    "backend/rendering": (*COMPUTING, *LEAVES, "backend.guidance", "backend.training", "backend.evaluation"),
    "backend/guidance": (*LEAVES, "backend.pipeline", "backend.evaluation"),
    "backend/evaluation": ("backend.service", "backend.commands", "backend.cli"),
}
PROTOCOL_MAY = {"numpy", "msgpack", "zmq", "protocol"}


def imports(path: Path) -> dict[str, int]:
    """Every module a file imports for running (not only for type checking), with its line."""
    found: dict[str, int] = {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found.update({alias.name: node.lineno for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found[node.module] = node.lineno
            found.update({f"{node.module}.{alias.name}": node.lineno for alias in node.names})
    return found


def starts(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def violations(path: Path, text_of: str) -> list[str]:
    """What a file at ``text_of`` (relative to the repository) imports against the rules."""
    found = []
    for module, line in imports(path).items():
        for folder, forbidden in FORBIDDEN.items():
            if text_of.startswith(folder + "/") and any(starts(module, prefix) for prefix in forbidden):
                found.append(f"{text_of}:{line} imports {module}, which {folder} must not")
        if starts(module, "bpy") and text_of.startswith("backend/") and not text_of.startswith("backend/export/"):
            found.append(f"{text_of}:{line} imports {module}; only backend/export may")
        top = module.split(".")[0]
        if text_of.startswith("protocol/") and top not in sys.stdlib_module_names and top not in PROTOCOL_MAY:
            found.append(f"{text_of}:{line} imports {module}, which is not among {sorted(PROTOCOL_MAY)}")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_file_keeps_the_rules(name: str) -> None:
    path = ROOT / name
    assert violations(path, name) == []
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{name} has {lines} lines; at most {MAX_LINES}"


def test_the_rules_see_violations(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import torch.nn\nfrom backend.methods import method\nimport bpy\nimport yaml\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import backend.service.server\n"
    )

    def lines(name: str) -> list[int]:
        return sorted({int(text.split()[0].split(":")[1]) for text in violations(bad, name)})

    assert lines("protocol/bad.py") == [1, 2, 3, 4]
    assert lines("backend/geometry/bad.py") == [2, 3]
    assert lines("backend/export/bad.py") == []
    assert lines("addon/bad.py") == [1, 2]


def test_pickle_and_its_kin_are_imported_nowhere_in_the_product() -> None:
    unsafe = ("pickle", "marshal", "shelve", "dill", "cloudpickle", "msgpack_numpy")
    for path, name in zip(FILES, NAMES, strict=True):
        if not name.startswith("tests/"):
            assert not [module for module in imports(path) if module.split(".")[0] in unsafe], name
