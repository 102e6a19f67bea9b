import pytest
from tests.atlas.place_data import HEAD, texts

from gapura.atlas import packing

PLACES = {"1.0.0.0/24": "AU", "2a00::/32": "SG"}


def test_texts_become_what_is_looked_up_in() -> None:
    ranges, packed, meta = packing.pack(texts(PLACES))
    assert ranges.code(bytes([1, 0, 0, 9])) == "AU" and packed
    assert (meta.as_of, meta.counts, meta.licence) == ("2026-10-25", {"ipv4": 1, "ipv6": 1}, "CC-BY-SA-4.0")
    assert packing.pack(texts(PLACES))[1:] == (packed, meta)


def swapped(name: str, old: str, new: str) -> dict[str, bytes]:
    found = texts(PLACES)
    return {**found, name: found[name].replace(old.encode(), new.encode())}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"geoip": texts(PLACES)["geoip"]}, "geoip6 is missing"),
        (swapped("geoip6", "25 Oct", "25 Nov"), "one date, not 2026-10-25 and 2026-11-25"),
        (swapped("geoip", "Generated", "Made"), "geoip does not say when"),
        (swapped("geoip", "05:22", "soon"), "geoip does not say when"),
        (swapped("geoip", "CC BY-SA 4.0", "CC BY 4.0"), "geoip does not say .* CC BY-SA 4.0"),
        (swapped("geoip", "AU", "AU,more"), "geoip, line 4: .* is no range"),
        (swapped("geoip6", "2a00::,", "2a00:,"), "geoip6, line 4"),
        (swapped("geoip", "AU\n", "AU\n1,2,CN\n"), "out of order"),
        ({name: HEAD.encode("utf-16") for name in packing.TEXTS}, "decode"),
    ],
)
def test_what_cannot_be_meant_is_named(given: dict[str, bytes], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        packing.pack(given)
