"""All languages that letters can be written in: those that are shipped, and the operator's own.

A folder of the operator's may hold `<language>.toml`, which alters a shipped catalogue or adds a language, and
`letter.html` in place of the shipped template.  Everything is read and tried when the process starts, so that no letter
fails for a text.
"""

from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import jinja2
from babel import Locale, UnknownLocaleError
from babel.core import get_global

from gapura.letters import catalogue
from gapura.letters.catalogue import Catalogue
from gapura.letters.page import Link, Page, Row, Section, Step
from gapura.letters.voice import Voice
from gapura.settings import BadSetting

MEASURE, TEMPLATE, SUFFIX = "en", "letter.html", ".toml"
SHIPPED = (MEASURE, "zh-Hans", "id")

# What every template has to be able to show.
_TRIAL = Page(
    MEASURE,
    "ltr",
    ": ",
    "subject",
    "greeting",
    ("summary",),
    (
        Section(
            "heading", ("paragraph",), (Row("label", "value", exact=True),), (Step("step", Link("link", "https://a")),)
        ),
    ),
    ("closing",),
)


class Texts:
    """Catalogues by language tag, and the template of the HTML form."""

    def __init__(self, catalogues: dict[str, Catalogue], template: jinja2.Template) -> None:
        self._voices = {language: Voice(one) for language, one in catalogues.items()}
        self._template = template
        self.measure = self._voices[MEASURE]
        self.told = ", ".join(sorted(catalogues))

    @classmethod
    def load(cls, folder: Path | None = None) -> "Texts":
        """Raises BadSetting, which names the file and what is wrong with it."""
        shipped = files(__package__) / "data"
        measure = catalogue.read((shipped / f"{MEASURE}{SUFFIX}").read_bytes(), MEASURE)
        found = {MEASURE: measure}
        for language in SHIPPED[1:]:
            found[language] = catalogue.read((shipped / f"{language}{SUFFIX}").read_bytes(), language, measure)
        source, where = (shipped / TEMPLATE).read_text("utf-8"), TEMPLATE
        if folder is not None:
            if not folder.is_dir():
                raise BadSetting(f"mail.texts: there is no folder {folder}")
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                base = found.get(path.stem)
                found[path.stem] = catalogue.read(_bytes(path), str(path), measure, base)
                if found[path.stem].language != path.stem:
                    raise BadSetting(f"{path}: catalogue.language is {found[path.stem].language}, not {path.stem}")
            if (own := folder / TEMPLATE).exists():
                source, where = _text(own), str(own)
        return cls(found, _template(source, where))

    def voice(self, language: str) -> Voice | None:
        """Of the language itself, or of the same one in the same script: `zh-CN` is told in `zh-Hans`, `zh-TW` is not.

        >>> Texts.load().voice("zh-CN").language, Texts.load().voice("zh-TW")
        ('zh-Hans', None)
        """
        if language in self._voices:
            return self._voices[language]
        wanted = _script(language)
        return next((voice for tag, voice in self._voices.items() if wanted and _script(tag) == wanted), None)

    def html(self, pages: list[Page]) -> str:
        return self._template.render(pages=pages)


def _script(language: str) -> tuple[str, str] | None:
    """Language and script; where a tag names no script, the one that it is usually written in."""
    try:
        asked = Locale.parse(language.replace("_", "-"), sep="-")
    except (ValueError, UnknownLocaleError):
        return None
    if asked.script:
        return asked.language, asked.script
    likely = get_global("likely_subtags")
    tag = f"{asked.language}_{asked.territory}" if asked.territory else asked.language
    full = likely.get(tag) or likely.get(asked.language) or asked.language
    return asked.language, Locale.parse(full).script or ""


def _template(source: str, where: str) -> jinja2.Template:
    made = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    try:
        template = made.from_string(source)
        template.render(pages=[_TRIAL])
    except jinja2.TemplateSyntaxError as error:
        raise BadSetting(f"{where}: line {error.lineno}: {error.message}") from None
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise BadSetting(f"{where}: {error}") from None
    return template


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        _unreadable(path, error)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        _unreadable(path, error)


def _unreadable(path: Path, error: Exception) -> NoReturn:
    raise BadSetting(f"{path}: cannot be read: {error}") from None
