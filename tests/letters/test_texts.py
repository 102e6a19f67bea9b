"""Catalogues: complete in each language, and an operator's own are checked before anything is written."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from tests.letters.writing import SENDER, letter, texts

from gapura.letters import Texts, catalogue, compose
from gapura.letters.catalogue import Catalogue, placeholders, read
from gapura.letters.texts import SHIPPED
from gapura.letters.voice import Voice
from gapura.settings import BadSetting

DATA = files("gapura.letters") / "data"


def shipped(language: str) -> bytes:
    return (DATA / f"{language}.toml").read_bytes()


MEASURE = read(shipped("en"), "en")


@pytest.mark.parametrize("language", SHIPPED)
def test_each_catalogue_has_every_text(language: str) -> None:
    found = read(shipped(language), language, MEASURE)
    assert found.texts.keys() == MEASURE.texts.keys()


def test_each_text_is_used() -> None:
    sources = "".join(path.read_text("utf-8") for path in Path(str(files("gapura.letters"))).glob("*.py"))
    written = {f"{kind}.{name}" for kind in ("subject", "what") for name in _variants()}
    unused = [name for name in MEASURE.texts if name not in written and f'"{name}"' not in sources]
    assert [name for name in unused if not name.startswith("stops.")] == []


def _variants() -> set[str]:
    effects = ("block", "suspend", "warn")
    dated = {f"{kind}_{effect}" for kind in ("notice", "effective") for effect in effects}
    return dated | {"correction", "release", "receipt", "decision_granted", "decision_declined"}


def test_no_translation_is_the_english_text() -> None:
    for language in SHIPPED[1:]:
        other = read(shipped(language), language, MEASURE)
        same = [name for name, text in other.texts.items() if text == MEASURE.texts[name]]
        assert [
            name for name in same if re.search(r"[A-Za-z]{4}", re.sub(r"{\w+}", "", str(MEASURE.texts[name])))
        ] == []


def own(tmp_path: Path, text: str, name: str = "en.toml") -> Path:
    (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


HEAD = '[catalogue]\nlanguage = "en"\nas_of = "2026-11-29"\n'


def test_an_operator_alters_one_text(tmp_path: Path) -> None:
    altered = Texts.load(own(tmp_path, HEAD + '[greeting]\nplain = "Dear customer,"\n'))
    assert compose(letter(name=""), SENDER, altered).text.startswith("Dear customer,")
    assert "What will stop" in compose(letter(name=""), SENDER, altered).text


def test_an_operator_adds_a_language_with_its_own_plurals(tmp_path: Path) -> None:
    polish = shipped("en").decode().replace('language = "en"', 'language = "pl"')
    forms = '{ one = "{n} żądanie", few = "{n} żądania", many = "{n} żądań", other = "{n} żądania" }'
    polish = re.sub(r"requests = {.*}", f"requests = {forms}", polish)
    polish = re.sub(
        r'({ one = ("[^"]*"), other = ("[^"]*") })', r"{ one = \2, few = \3, many = \3, other = \3 }", polish
    )
    added = Texts.load(own(tmp_path, polish, "pl.toml"))
    voice = added.voice("pl-PL")
    assert voice is not None
    counted = [voice.count("count.requests", number) for number in (1, 3, 5, 22)]
    assert counted == ["1 żądanie", "3 żądania", "5 żądań", "22 żądania"]
    assert "9 lipca 2024" in compose(letter(language="pl"), SENDER, added).text


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (HEAD + '[greeting]\nplian = "Hi"\n', r"there is no text greeting.plian \(did you mean greeting.plain\?\)"),
        (HEAD + '[what]\nnotice_block = "Soon."\n', r"what.notice_block: does not say {account}"),
        (HEAD + '[greeting]\nplain = "Hi {name}"\n', r"greeting.plain: knows no {name}; it has no names"),
        (HEAD + '[greeting]\nnamed = "Hi {name.__class__}"\n', r"is not a plain name in braces"),
        (HEAD + '[greeting]\nnamed = "Hi {name"\n', r"greeting.named: "),
        (HEAD + '[count]\ndays = "{n} days"\n', r"count.days has to be a table of texts by plural"),
        (HEAD + '[count]\ndays = { other = "{n} days" }\n', r"count.days: has the plurals other; en has one, other"),
        (HEAD + "[greeting]\nplain = 5\n", r"greeting.plain is no text"),
        (HEAD + '[greeting]\nplain = ""\n', r"greeting.plain is no text"),
        ('[catalogue]\nlanguage = "xx-yy-zz"\n', r"catalogue.language: 'xx-yy-zz' is no language tag"),
        ('[catalogue]\nlanguage = "en"\nas_of = "today"\n', r"catalogue.as_of: 'today' is no date"),
        ('[catalogue]\nlanguage = "id"\nas_of = "2026-11-29"\n', r"catalogue.language is id, the file's name says en"),
        ("[catalogue", r"en.toml: "),
    ],
)
def test_what_is_wrong_with_a_catalogue_is_told_by_its_name(tmp_path: Path, written: str, told: str) -> None:
    with pytest.raises(BadSetting, match=told) as error:
        Texts.load(own(tmp_path, written))
    assert "en.toml" in str(error.value)


def test_a_new_language_needs_every_text(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"fr.toml: these texts are missing: subject.notice_block, "):
        Texts.load(own(tmp_path, '[catalogue]\nlanguage = "fr"\nas_of = "2026-11-29"\n', "fr.toml"))


def test_an_operators_template_is_tried_at_the_start(tmp_path: Path) -> None:
    good = Texts.load(own(tmp_path, "<p>{{ pages[0].subject }}</p>", "letter.html"))
    assert compose(letter(provider="A&B"), SENDER, good).html.startswith("<p>Action needed: A&amp;B API")
    for bad, told in (("{% if %}", "line 1: "), ("{{ pages[0].subjekt }}", "subjekt"), ("{{ nothing }}", "nothing")):
        with pytest.raises(BadSetting, match=f"letter.html: .*{told}"):
            Texts.load(own(tmp_path, bad, "letter.html"))


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"^mail.texts: there is no folder"):
        Texts.load(tmp_path / "texts")


def test_many_places_are_counted_and_few_are_named() -> None:
    voice = texts().voice("zh-Hans")
    assert isinstance(voice, Voice)
    assert voice.places(["CN", "HK", "CN"]) == "中国和中国香港特别行政区"
    assert voice.places(["CN", "HK", "MO", "RU", "IR"]) == "中国、中国香港特别行政区、中国澳门特别行政区及另外 2 个地区"
    assert voice.places([]) == "不受支持的地区"
    assert voice.territory("T1") == "T1"


def test_a_catalogue_is_a_value() -> None:
    assert isinstance(MEASURE, Catalogue) and MEASURE.as_of >= "2026-11-29"
    assert placeholders("{a} and {{b}}") == {"a"} and catalogue.COUNT == "n"
