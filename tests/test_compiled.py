"""What may be compiled: see hatch_build.py."""

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def classes(name: str) -> list[ast.ClassDef]:
    return [one for one in ast.walk(ast.parse((ROOT / "src" / name).read_text())) if isinstance(one, ast.ClassDef)]


@pytest.mark.parametrize("name", hook().COMPILED)
def test_no_class_is_declared_with_words_that_the_compiler_forgets(name: str) -> None:
    assert not [
        one.name for one in classes(name) if one.keywords or "Struct" in ast.dump(ast.Tuple(one.bases, ast.Load()))
    ]


@pytest.mark.parametrize("name", hook().COMPILED)
def test_no_class_overrides_what_another_class_says(name: str) -> None:
    """The compiler keeps it on the class, where an interpreted base does not look for it."""
    without = {"NamedTuple", "Protocol"}
    derived = [one for one in classes(name) if {ast.unparse(base) for base in one.bases} - without]
    assert not [one.name for one in derived if any(isinstance(part, ast.Assign) for part in one.body)]
