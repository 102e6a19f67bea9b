"""Documents as they come: TOML, or YAML with the extra of that name, → tables.

YAML is read with care, since it means other things than it seems to say: NO is false to it and not Norway, 0123 is 83,
of two keys with one name the first is lost, and with aliases a short document can be an endless one.
"""

import re
import tomllib
from pathlib import PurePath
from types import ModuleType
from typing import Any, Literal

import msgspec

from gapura.extras import install
from gapura.rulebook.documents import BadDocument

Format = Literal["toml", "yaml"]

_TEXT = "tag:yaml.org,2002:str"
_PLAIN = {"bool": re.compile("true|false", re.IGNORECASE), "int": re.compile("[-+]?(0|[1-9][0-9]*)")}
"""How values of a kind are written that people read as YAML does."""


def format_of(name: str) -> Format:
    """By the file's name."""
    return "yaml" if PurePath(name).suffix.lower() in {".yaml", ".yml"} else "toml"


def parse(content: bytes, written_in: Format = "toml") -> dict[str, Any]:
    """The tables of a document.  Raises BadDocument, also where the extra `yaml` is missing."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDocument("document", f"it is not UTF-8: {error}") from None
    tables = _yaml(text) if written_in == "yaml" else _toml(text)
    if not isinstance(tables, dict) or not all(isinstance(name, str) for name in tables):
        raise BadDocument("document", "expected tables, as policies: and a list below it")
    return tables


def _toml(text: str) -> object:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadDocument("document", f"no TOML: {error}") from None


def _yaml(text: str) -> object:
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ImportError:
        raise BadDocument("document", f"documents in YAML need the extra yaml: {install('yaml')}") from None
    try:
        if (root := yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))) is None:
            return {}
        _look(root, yaml)
        return msgspec.yaml.decode(text)
    except BadDocument:
        raise
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadDocument("document", f"no YAML: {' '.join(str(error).split())}") from None


def _look(root: Any, yaml: ModuleType) -> None:
    """At every node, for what would be misread."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        where = f"line {node.start_mark.line + 1}"
        if id(node) in seen:
            raise BadDocument(where, "anchors and aliases are not read; write it out where it is meant")
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _keys(node)
            waiting += [member for pair in node.value for member in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif kind := _misread(node):
            hint = '; if Norway is meant, write "NO"' * (node.value.lower() == "no")
            raise BadDocument(where, f"YAML reads {node.value} as {kind}; write it in quotes{hint}")


def _keys(node: Any) -> None:
    names: set[str] = set()
    for key, _ in node.value:
        where = f"line {key.start_mark.line + 1}"
        if key.tag != _TEXT:
            raise BadDocument(where, f"YAML does not read the key {key.value!r} as text; write it in quotes")
        if key.value in names:
            raise BadDocument(where, f"{key.value} stands there twice")
        names.add(key.value)


def _misread(node: Any) -> str:
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    plain = _PLAIN.get(kind)
    return "" if plain is None or plain.fullmatch(node.value) else {"bool": "true or false", "int": "a number"}[kind]
