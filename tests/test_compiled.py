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


@pytest.mark.parametrize("name", hook().COMPILED)
def test_no_class_is_declared_with_words_that_the_compiler_forgets(name: str) -> None:
    classes = [one for one in ast.walk(ast.parse((ROOT / "src" / name).read_text())) if isinstance(one, ast.ClassDef)]
    assert not [one.name for one in classes if one.keywords or "Struct" in ast.dump(ast.Tuple(one.bases))]
