"""Nothing outside ``kanhw/targets`` asks for a family by its name."""

import ast
from pathlib import Path

import pytest

from kanhw.targets.table import TARGETS

ROOT = Path(__file__).parents[3]
ROOM = ROOT / "kanhw" / "targets"


def families_named(source: str) -> list[str]:
    """String constants of a source that are the name of a target."""
    constants = (each for each in ast.walk(ast.parse(source)) if isinstance(each, ast.Constant))
    return [each.value for each in constants if each.value in TARGETS]


@pytest.mark.parametrize("folder", ["kanhw", "gateware", "quant", "sim"])
def test_no_family_is_named(folder):
    files = [
        path
        for path in (ROOT / folder).rglob("*.py")
        if not path.is_relative_to(ROOM) and "__pycache__" not in path.parts
    ]
    assert len(files) > 10
    named = {str(path): families_named(path.read_text("utf-8")) for path in files}
    assert {path: names for path, names in named.items() if names} == {}


def test_one_that_is_named_is_seen():
    assert families_named("if target == 'ecp5':\n    pass\n") == ["ecp5"]
