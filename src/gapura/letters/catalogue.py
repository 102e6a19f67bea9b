"""What letters say in one language: a TOML file, checked whole before anything is written.

`data/en.toml` is the measure: each other catalogue has its texts, and in each text the same names in braces, so that no
translation can lose a date.  A text that counts is a table with one form for each plural that the language knows (by
Unicode CLDR, through Babel); only its count may be left out.
"""

import difflib
import tomllib
from collections.abc import Mapping
from datetime import date
from string import Formatter
from typing import Any

import msgspec
from babel import Locale, UnknownLocaleError

from gapura.settings import BadSetting

COUNT = "n"

# Every plural form that whole numbers take, in every language of CLDR, is taken by one of these.
_NUMBERS = (*range(201), 1_000, 10_000, 1_000_000)

Forms = Mapping[str, str]


class Catalogue(msgspec.Struct, frozen=True):
    """`texts`: `section.name` → the text, or its forms by plural (`one`, `other` …)."""

    language: str
    as_of: str
    locale: Locale
    texts: Mapping[str, str | Forms]


def read(raw: bytes, where: str, measure: Catalogue | None = None, base: Catalogue | None = None) -> Catalogue:
    """A catalogue of file `where`.  `base`: what the file alters; without one it has to have every text of `measure`.

    Raises BadSetting, which names the file and the text.
    """
    try:
        tables = tomllib.loads(raw.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSetting(f"{where}: {error}") from None
    language, as_of, locale = _head(tables.pop("catalogue", None), where)
    texts = dict(_flat(tables, where))
    if base is not None and base.language != language:
        raise BadSetting(f"{where}: catalogue.language is {language}, the file's name says {base.language}")
    if measure is not None:
        _compare(texts, measure, where, complete=base is None)
    for name, text in texts.items():
        _forms(text, locale, f"{where}: {name}")
    return Catalogue(language, as_of, locale, {**(base.texts if base else {}), **texts})


def placeholders(text: str) -> frozenset[str]:
    """The names in braces; ValueError for anything that is more than a name.

    >>> sorted(placeholders("From {moment}, {places}"))
    ['moment', 'places']
    """
    found = set()
    for _, name, form, conversion in Formatter().parse(text):
        if name is None:
            continue
        if not name.isidentifier() or form or conversion:
            raise ValueError(f"{{{name}}} is not a plain name in braces (a brace itself is written twice)")
        found.add(name)
    return frozenset(found)


def _head(head: object, where: str) -> tuple[str, str, Locale]:
    given = head if isinstance(head, dict) else {}
    language, as_of = given.get("language"), given.get("as_of")
    try:
        locale = Locale.parse(str(language), sep="-")
    except (ValueError, UnknownLocaleError):
        raise BadSetting(f"{where}: catalogue.language: {language!r} is no language tag, as zh-Hans") from None
    try:
        date.fromisoformat(str(as_of))
    except ValueError:
        raise BadSetting(f"{where}: catalogue.as_of: {as_of!r} is no date, as 2026-11-29") from None
    return str(language), str(as_of), locale


def _flat(tables: Mapping[str, Any], where: str) -> list[tuple[str, str | Forms]]:
    found: list[tuple[str, str | Forms]] = []
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise BadSetting(f"{where}: {section} is no table of texts")
        for name, text in table.items():
            forms = text.values() if isinstance(text, dict) else [text]
            if not forms or not all(isinstance(form, str) and form.strip() for form in forms):
                raise BadSetting(f"{where}: {section}.{name} is no text, nor a table of them by plural")
            found.append((f"{section}.{name}", text))
    return found


def _compare(texts: Mapping[str, str | Forms], measure: Catalogue, where: str, *, complete: bool) -> None:
    for name in texts:
        if name not in measure.texts:
            near = difflib.get_close_matches(name, measure.texts, n=1)
            raise BadSetting(f"{where}: there is no text {name}" + (f" (did you mean {near[0]}?)" if near else ""))
    if complete and (missing := [name for name in measure.texts if name not in texts]):
        raise BadSetting(f"{where}: these texts are missing: {', '.join(missing)}")
    for name, text in texts.items():
        there = measure.texts[name]
        if isinstance(text, str) != isinstance(there, str):
            kind = "one text" if isinstance(there, str) else "a table of texts by plural, as { other = … }"
            raise BadSetting(f"{where}: {name} has to be {kind}")
        wanted = _named(there, name)
        for form in [text] if isinstance(text, str) else text.values():
            _agree(_named(form, f"{where}: {name}"), wanted, f"{where}: {name}")


def _agree(named: frozenset[str], wanted: frozenset[str], label: str) -> None:
    if extra := named - wanted:
        raise BadSetting(f"{label}: knows no {{{min(extra)}}}; it has {', '.join(sorted(wanted)) or 'no names'}")
    if lost := wanted - named - {COUNT}:
        raise BadSetting(f"{label}: does not say {{{min(lost)}}}")


def _named(text: str | Forms, label: str) -> frozenset[str]:
    try:
        return placeholders(text) if isinstance(text, str) else frozenset().union(*map(placeholders, text.values()))
    except ValueError as error:
        raise BadSetting(f"{label}: {error}") from None


def _forms(text: str | Forms, locale: Locale, label: str) -> None:
    if isinstance(text, str):
        return
    wanted = {locale.plural_form(number) for number in _NUMBERS} | {"other"}
    if set(text) != wanted:
        raise BadSetting(
            f"{label}: has the plurals {', '.join(sorted(text))}; {locale} has {', '.join(sorted(wanted))}"
        )
