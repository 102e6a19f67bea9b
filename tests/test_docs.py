"""What the documents name is there: pages, modules, settings, commands, headers, make's targets; and examples read."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from gapura.cli import gapura
from gapura.crash import VARIABLE as CRASH_AT
from gapura.programme import offer
from gapura.providers import catalogue
from gapura.rulebook import lints, papers, trials
from gapura.rulebook.compile import Rules
from gapura.rulebook.egress import nowhere
from gapura.rulebook.endpoints import endpoints
from gapura.rulebook.read import read
from gapura.settings import PREFIX, PROVIDER_VARIABLES, VARIABLE_NAMES, Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "packages").glob("*/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADER = re.compile(r'b"(gapura-[a-z-]+)"')

# A placeholder of the prose, as in `GAPURA_*`, ends with an underscore.
VARIABLE = re.compile(rf"\b(?:{PREFIX}|(?:{'|'.join(PROVIDER_VARIABLES.values())})_)[A-Z_]*[A-Z]\b")


class Block(NamedTuple):
    page: str
    language: str
    code: str


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(*languages: str) -> list[Block]:
    found = (Block(name(page), *fence) for page in PAGES for fence in FENCE.findall(page.read_text("utf-8")))
    return [block for block in found if block.language in languages]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """As renderers make them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize(
    ("index", "folder"), [("docs/README.md", "docs"), ("docs/decisions/README.md", "docs/decisions")]
)
def test_an_index_is_complete(index: str, folder: str) -> None:
    page = ROOT / index
    linked = {(page.parent / link).resolve() for link in LINK.findall(page.read_text("utf-8")) if "://" not in link}
    pages = {one for one in (ROOT / folder).rglob("*.md") if one != page and one.parent != ROOT / "docs" / "decisions"}
    if folder == "docs/decisions":
        pages = set(page.parent.glob("0*.md"))
    assert pages - linked == set()


def test_decisions_are_numbered_in_their_titles() -> None:
    for page in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert page.read_text("utf-8").startswith(f"# {int(page.name[:4])}. "), page.name


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_variables_are_settings(page: Path) -> None:
    known = {CRASH_AT, *(PREFIX + setting.upper() for setting in VARIABLE_NAMES)}
    for stem in PROVIDER_VARIABLES.values():
        known |= {f"{stem}_API_KEY", f"{stem}_API_KEY_FILE", f"{stem}_BASE_URL"}
    assert set(VARIABLE.findall(page.read_text("utf-8"))) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_headers_are_ours(page: Path) -> None:
    sources = "".join(source.read_text("utf-8") for source in (ROOT / "src").rglob("*.py"))
    known = {*HEADER.findall(sources), "gapura-atlas", "gapura-data"}
    named = set(re.findall(r"`(gapura-[a-z-]+)", page.read_text("utf-8")))
    assert named - known == set()


def commands(*, prose_too: bool = True) -> Iterator[tuple[str, list[str]]]:
    for block in blocks("sh", "console"):
        code = re.sub(r"^\$ ", "", block.code, flags=re.MULTILINE) if block.language == "console" else block.code
        code = re.sub(r"<<'EOF'.*?^EOF$", "", code.replace("\\\n", " "), flags=re.MULTILINE | re.DOTALL)
        for called in re.findall(
            r"(?:^|\()(?:\w+=\S+ )*gapura ((?:\"[^\"]*\"|'[^']*'|[^|&;<>()\n])*)", code, re.MULTILINE
        ):
            yield block.page, shlex.split(called.removesuffix("2").rstrip("\\"))
    for page in PAGES if prose_too else ():
        for called in re.findall(r"`gapura ((?:[a-z-]+ ?)+)", prose(page)):
            yield name(page), called.split()


def command_of(words: tuple[str, ...]) -> tuple[click.Command, list[str]]:
    """And what is left for it."""
    command: click.Command | None = gapura
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        _, command, rest = command.resolve_command(click.Context(command), rest)
    assert command is not None, words
    return command, rest


@pytest.mark.parametrize(("page", "words"), sorted({(page, tuple(words)) for page, words in commands()}))
def test_commands_are_there(page: str, words: tuple[str, ...]) -> None:
    command, rest = command_of(words)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} - known - {"--help", "--version"} == set()


@pytest.mark.parametrize(("page", "words"), sorted({(page, tuple(words)) for page, words in commands(prose_too=False)}))
def test_commands_are_taken_as_they_stand(page: str, words: tuple[str, ...]) -> None:
    """Every argument that is needed is there, and every value is one that there may be; files need not be."""
    command, rest = command_of(words)
    with suppress(click.exceptions.Exit):  # of --help and --version
        try:
            command.make_context(" ".join(words[:2]), rest)
        except click.BadParameter as error:
            if not re.search("does not exist|No such file", error.message):
                raise


def test_what_make_is_told_to_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:`|^)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)
    }
    assert {"serve", "test"} <= named <= targets


def parts() -> list[tuple[str, list[str]]]:
    """Each row of a table that begins with modules, and the names that stand behind them."""
    page = (ROOT / "docs" / "explanation" / "parts.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[a-z_/]+\.py`.*) \|", page, re.MULTILINE)
    return [(row, re.findall(r"`([^`]+)`", row.partition("→")[0])) for row in rows]


@pytest.mark.parametrize(("row", "named"), parts())
def test_parts_are_as_they_are_told(row: str, named: list[str]) -> None:
    modules = [one for one in named if one.endswith(".py")]
    code = "".join((ROOT / "src" / "gapura" / module).read_text("utf-8") for module in modules)
    for one in set(named) - set(modules):
        if one.isidentifier():
            assert re.search(rf"^(?:async def|def|class|from .* import .*\b)? ?{one}\b", code, re.MULTILINE), (
                f"{one}: {row}"
            )


def documents() -> list[Block]:
    written = [
        Block(block.page, "toml", document)
        for block in blocks("sh")
        for document in re.findall(r"cat > gapura.toml <<'EOF'\n(.*?)^EOF$", block.code, re.MULTILINE | re.DOTALL)
    ]
    return [*blocks("toml"), *written]


@pytest.mark.parametrize("block", documents(), ids=lambda block: block.page)
def test_documents_can_be_meant(block: Block) -> None:
    """Each example of a gapura.toml is read as at a start with all four providers, and each offer as an offer."""
    if "programme" in tomllib.loads(block.code):
        assert offer.read(block.code).grants
        return
    settings = Settings.load({}, tomllib.loads(block.code))
    vendors = catalogue.catalogue().vendors
    reached = endpoints(
        settings.documents, configured={*vendors, *settings.documents.get("providers", {})}, base_urls={}
    )
    models = {vendor: tuple(known.models) for vendor, known in vendors.items()}
    assert read(settings.documents, endpoints=reached, models=models).version
    assert papers.part(settings.documents)


def test_what_a_policy_document_of_the_manual_promises_holds() -> None:
    page = (ROOT / "docs" / "how-to" / "change-a-policy.md").read_text("utf-8")
    ((written, document),) = re.findall(r"cat > next\.(toml) <<'EOF'\n(.*?)^EOF$", page, re.MULTILINE | re.DOTALL)
    paper = papers.read(document.encode(), written)
    rules = Rules(read(paper.tables, endpoints=(), models={}))
    assert [str(outcome) for outcome in trials.run(rules, paper.trials, nowhere, 1) if not outcome.passed] == []
    assert len(paper.trials) == 3 and not any(
        lint.refuses for lint in lints.lints(rules.book.policies, paper.limits, 1)
    )


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.page)
def test_programs_can_be_read(block: Block) -> None:
    ast.parse(block.code)
