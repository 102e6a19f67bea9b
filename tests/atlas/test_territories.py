"""The table is whole, and vendors' spellings are understood."""

import csv
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.atlas.territories import (
    CODES,
    NAMES,
    SUBDIVISIONS,
    Listed,
    listed,
    resolve,
    resolve_part,
    sovereign_of,
    sovereigns,
)

ZONES = Path("/usr/share/zoneinfo/iso3166.tab")


@pytest.mark.skipif(not ZONES.is_file(), reason="the system has no zoneinfo/iso3166.tab")
def test_the_codes_are_those_of_iso_3166_and_kosovo() -> None:
    lines = [line for line in ZONES.read_text().splitlines() if line[:1] not in ("#", "")]
    assert {line.split("\t")[0] for line in lines} | {"XK"} == CODES


def test_every_territory_answers_to_its_code_and_its_name() -> None:
    assert len(CODES) == 250
    for code, name in NAMES.items():
        assert resolve(code) == resolve(code.lower()) == resolve(name) == resolve(name.upper()) == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Congo (DRC)", "CD"),
        ("Congo, Democratic Republic of (DRC)", "CD"),
        ("Democratic Republic of the Congo", "CD"),
        ("Congo (Brazzaville)", "CG"),
        ("Congo, Republic of the", "CG"),
        ("Republic of the Congo", "CG"),
        ("Czechia (Czech Republic)", "CZ"),
        ("Czech Republic", "CZ"),
        ("Holy See (Vatican City)", "VA"),
        ("Eswatini (Swaziland)", "SZ"),
        ("Timor-Leste (East Timor)", "TL"),
        ("Timor-Leste, Democratic Republic of", "TL"),
        ("Ukraine (with certain exceptions)", "UA"),
        ("Ukraine (except Crimea, Donetsk, and Luhansk regions)", "UA"),
        ("Côte d'Ivoire", "CI"),
        ("Cote d’Ivoire", "CI"),
        ("Sao Tome and Principe", "ST"),
        ("Aland Islands", "AX"),
        ("The Bahamas", "BS"),
        ("The Gambia", "GM"),
        ("Falkland Islands (Islas Malvinas)", "FK"),
        ("Caribbean Netherlands", "BQ"),
        ("U.S. Virgin Islands", "VI"),
        ("British Virgin Islands", "VG"),
        ("Turkey", "TR"),
        ("Turkiye", "TR"),
        ("Cape Verde", "CV"),
        ("Macau", "MO"),
        ("Kosovo", "XK"),
        ("United States of America", "US"),
        ("UK", "GB"),
        ("Viet Nam", "VN"),
        ("South Korea", "KR"),
        ("north  KOREA", "KP"),
    ],
)
def test_spellings_that_vendors_use(name: str, code: str) -> None:
    assert resolve(name) == code


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Turkei", r"did you mean Türkiye \(TR\)"),
        ("Sinagpore", r"did you mean Singapore \(SG\)"),
        ("EU", "two letters"),
        ("AP", "two letters"),
        ("XX", "two letters"),
        ("Korea", "no territory"),
        ("Virgin Islands", "no territory"),
        ("", "no territory"),
        ("Crimea", r"UA-43, a part of Ukraine.*use UA"),
        ("ua-23", r"UA-23, a part of Ukraine"),
    ],
)
def test_an_unknown_name_is_never_guessed(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        resolve(name)


@given(st.text())
def test_any_text_is_a_territory_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert resolve(text) in CODES


def test_subdivisions_belong_to_territories() -> None:
    assert set(SUBDIVISIONS) == {"UA-09", "UA-14", "UA-23", "UA-40", "UA-43"}
    assert {part[:2] for part in SUBDIVISIONS} <= CODES


SPELLINGS = sorted((Path(__file__).parent / "spellings").glob("*.txt"))


def names(file: Path) -> list[str]:
    return [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("file", SPELLINGS, ids=lambda file: file.stem)
def test_every_name_of_a_vendors_page_resolves(file: Path) -> None:
    assert len({listed(name).territory for name in names(file)}) == len(names(file)) > 150


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Crimea", "UA-43"),
        ("sevastopol", "UA-40"),
        ("UA-30", "UA-30"),
        ("us-ca", "US-CA"),
        ("Norway", "NO"),
        ("hk", "HK"),
    ],
)
def test_parts_by_code_or_name(name: str, code: str) -> None:
    assert resolve_part(name) == code


@pytest.mark.parametrize("name", ["XX-1", "UA-1234", "UA 43 x", "Kyiv region", "EU-1"])
def test_a_part_is_never_guessed(name: str) -> None:
    with pytest.raises(ValueError, match="no territory is called"):
        resolve_part(name)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("Singapore", Listed("SG")),
        ("Congo (DRC)", Listed("CD")),
        ("Cocos (Keeling) Islands", Listed("CC")),
        ("Ukraine (with certain exceptions)", Listed("UA", "with certain exceptions")),
        ("Ukraine (with exceptions)", Listed("UA", "with exceptions")),
        (
            "Ukraine (except Crimea, Donetsk, and Luhansk regions)",
            Listed(
                "UA",
                "except Crimea, Donetsk, and Luhansk regions",
                frozenset({"UA-43", "UA-40", "UA-14", "UA-09"}),
            ),
        ),
        ("Ukraine (excluding Zaporizhzhia)", Listed("UA", "excluding Zaporizhzhia", frozenset({"UA-23"}))),
    ],
)
def test_an_entry_says_its_exceptions(entry: str, expected: Listed) -> None:
    assert listed(entry) == expected


def test_who_follows_whom() -> None:
    followed = sovereign_of()
    assert {code: followed[code] for code in ("PR", "GU", "VI", "AS", "MP", "GG", "JE", "IM", "GI", "CW", "SX")} == {
        **dict.fromkeys(("PR", "GU", "VI", "AS", "MP"), "US"),
        **dict.fromkeys(("GG", "JE", "IM", "GI"), "GB"),
        **dict.fromkeys(("CW", "SX"), "NL"),
    }
    assert followed.keys() | set(followed.values()) <= CODES
    assert not followed.keys() & set(followed.values())
    assert not followed.keys() & {"TW", "XK", "PS", "EH", "AQ", "CK", "NU"}
    assert len(followed) == sum(map(len, sovereigns().territories.values()))
    assert sovereigns().as_of == "2026-05-15" and sovereigns().source.startswith("https://")


REGIONS = Path(__file__).parents[3] / "shared/facts/regions.csv"


@pytest.mark.skipif(not REGIONS.is_file(), reason="the table of vendors' lists is not there")
def test_the_table_of_vendors_lists_names_no_other_code() -> None:
    with REGIONS.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["provider"], row["product"]) == ("openai", "api")]
    assert {row["iso2"] for row in rows} == CODES
