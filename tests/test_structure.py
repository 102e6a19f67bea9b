"""The floors, and the size of files: the architecture is under test.  Its last lines plant faults."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "gapura"

# From the ground up.  A module imports from lower floors, or from its own package.
FLOORS = [
    {"__init__", "errors", "clock", "settings", "checks", "runtime", "crash", "extras", "shapes"},
    {"terms"},
    {"wire"},
    {"atlas", "providers", "store"},
    {"rulebook", "logs", "letters", "post"},
    {"campaign", "request", "programme"},
    {"gate", "keeper", "compat", "console", "portal", "sandbox", "supervisor", "testing"},
    {"app"},
    {"cli"},
    {"__main__"},
]
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}
RIVERS = {"campaign", "request", "programme"}
LIMIT = 400


def imported(source: str) -> Iterator[list[str]]:
    """Every gapura module that the source imports, also inside functions, as ['terms', 'place', 'Origin']."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                paths = [f"{module}.{alias.name}" for alias in names]
            case ast.Import(names=names):
                paths = [alias.name for alias in names]
            case _:
                continue
        yield from (path.split(".")[1:] for path in paths if path.startswith("gapura."))


def faults(path: str, source: str) -> Iterator[str]:
    here = path.removesuffix(".py").split("/")
    if (length := source.count("\n")) > LIMIT:
        yield f"{path} has {length} lines"
    if here[-1] in {"utils", "helpers", "common", "misc"}:
        yield f"{path}: name it after what it does"
    for there in imported(source):
        if there == ["__version__"]:
            continue
        if there[0] not in FLOOR:
            yield f"{path} imports {there[0]} through the front door"
        elif there[0] != here[0] and FLOOR[there[0]] >= FLOOR[here[0]] > 0:
            yield f"{path} imports {'.'.join(there)}, which is not below it"
        if here[0] == there[0] in RIVERS and here[-1] != "pipeline":
            yield f"{path} imports its neighbour {'.'.join(there)}"


def test_the_floors_hold() -> None:
    files = sorted(SOURCE.rglob("*.py"))
    assert files
    assert [fault for file in files for fault in faults(file.relative_to(SOURCE).as_posix(), file.read_text())] == []


def test_every_floor_is_inhabited() -> None:
    assert {part for part in FLOOR if not (SOURCE / part).exists() and not (SOURCE / f"{part}.py").exists()} == set()


def test_tests_stay_short_too() -> None:
    tests = Path(__file__).parent
    assert [f.name for f in tests.rglob("*.py") if f.read_text().count("\n") > LIMIT] == []


def test_planted_faults_are_found() -> None:
    assert list(faults("request/settle.py", "from gapura.terms.usage import Usage\n")) == []
    assert list(faults("request/settle.py", "from gapura.keeper import ingest\n"))
    assert list(faults("request/settle.py", "from gapura import Settings\n"))
    assert list(faults("request/settle.py", "def f():\n    from gapura.request.meter import hold\n"))
    assert list(faults("wire/utils.py", ""))
    assert list(faults("wire/sse.py", "\n" * 500))
