"""Many at once say what one at a time says."""

import random
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_ntop
from tempfile import NamedTemporaryFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.atlas import networks, sources
from gapura.atlas.base import Found
from gapura.atlas.batch import Batch, block
from gapura.atlas.corrections import Correction, Corrections
from gapura.atlas.networks import Networks
from gapura.atlas.ranges import Ranges
from gapura.atlas.sources import Atlas, Packed
from gapura.atlas.special import Nat64

SIX = 0x2A000000 << 96


class Other:
    """A source that is no list of ranges, as an .mmdb: every other address is in Norway."""

    name, as_of, digest = "other", "2026-01-01", "x"

    def find(self, packed: bytes) -> Found:
        return Found("NO" if packed[-1] % 2 else "SE")


def first() -> Packed:
    """Ranges that cut /24s and /64s, and lie at both ends."""
    four = [(0x01000000, 0x010000FE, "AU"), (0x01000100, 0x010001FF, "CN"), (0x0101007F, 0x0103FFFF, "CN"),
            (0xDFFFFF00, 0xDFFFFFFF, "US")]  # fmt: skip
    six = [
        (0x2002 << 112, (0x2003 << 112) - 1, "DE"),
        (SIX + 1, SIX + (1 << 64) + 5, "NL"),
        (SIX + (1 << 64) + 6, SIX + (9 << 64), "FR"),
        (SIX + (9 << 64) + 1, SIX + (1 << 80), "EU"),
    ]
    return Packed(Ranges.of(four, six), "first", "2026-06-25")


def second() -> Packed:
    four = [(0x01000180, 0x0101FFFF, "HK"), (0x08080808, 0x08080808, "US")]
    return Packed(Ranges.of(four, [(SIX, SIX + (2 << 64), "NL")]), "second", "2026-06-01")


def listed() -> Networks:
    with NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("1.0.1.192/26\n8.8.8.0/24\n2a00::/64\n")
        file.flush()
        return Networks.of([networks.read(Path(file.name), "hosting")])


ATLASES: dict[str, Callable[[], Atlas]] = {
    "one source": lambda: Atlas([first()]),
    "two sources": lambda: Atlas([first(), second()]),
    "lists": lambda: Atlas([first()], networks=listed()),
    "corrections": lambda: Atlas(
        [first(), second()],
        corrections=Corrections.of(
            [
                Correction("1.0.1.64/27", "SG", "moved", "ops", 0),
                Correction("2a00::/65", "ID", "moved", "ops", 0),
                Correction("10.1.0.0/16", "SG", "office", "ops", 0),
            ],
            0,
        ),
    ),
    "no ranges": lambda: Atlas([first(), Other()]),
    "own NAT64": lambda: Atlas([first()], nat64=[Nat64.of("2a00:0:0:5::/64")]),
}
EDGES = sorted(
    {
        edge + offset
        for source in (first(), second())
        for edge in source.ranges.columns().four.starts
        for offset in (-1, 0, 1)
        if 0 <= edge + offset < 1 << 32
    }
    | {0, (1 << 32) - 1, 0x0A010000, 0x010001BF, 0x010001C0, 0x0100013F, 0x01000140, 0x0100015F, 0x01000160}
)
SIXES = [SIX + offset + jitter for offset in (0, 1 << 63, 1 << 64, 2 << 64, 5 << 64, 9 << 64, 1 << 80)
         for jitter in (-1, 0, 1, 5, 6, 0x01000100 << 24)] + [
    int(IPv6Address(one))
    for one in ("::", "::1", "::ffff:1.0.1.1", "64:ff9b::1.0.1.200", "2002:0100:0101::1", "2001:0:1::feff:fefe",
                "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9b:0:1::1", "::1:0:0:1")
]  # fmt: skip


@pytest.fixture(params=ATLASES, scope="module")
def atlas(request: pytest.FixtureRequest) -> Atlas:
    return ATLASES[request.param]()


@pytest.fixture(scope="module")
def batch(atlas: Atlas) -> Batch:
    return Batch(atlas)


@pytest.mark.parametrize("shuffled", [False, True])
def test_at_every_edge(atlas: Atlas, batch: Batch, shuffled: bool) -> None:
    texts = [str(IPv4Address(edge)) for edge in EDGES] + [str(IPv6Address(one)) for one in SIXES]
    if shuffled:
        random.Random(1).shuffle(texts)
    numbers, _ = batch.texts(texts)
    assert {text: batch.places[number] for text, number in zip(texts, numbers, strict=True)} == {
        text: atlas.locate(text) for text in texts
    }
    integers = batch.integers(np.array(EDGES, np.uint32))
    assert [batch.places[number] for number in integers] == [atlas.locate(str(IPv4Address(edge))) for edge in EDGES]


@given(st.lists(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str), max_size=20))
def test_anywhere(atlas: Atlas, batch: Batch, texts: list[str]) -> None:
    numbers, _ = batch.texts(texts)
    assert [batch.places[number] for number in numbers] == [atlas.locate(text) for text in texts]


def test_over_the_shipped_data() -> None:
    atlas = sources.load()
    batch = Batch(atlas)
    dice = random.Random(4)
    texts = [inet_ntop(AF_INET, dice.randbytes(4)) for _ in range(20_000)]
    texts += [
        inet_ntop(AF_INET6, bytes([dice.choice([0x20, 0x24, 0x26, 0x2A]), *dice.randbytes(15)])) for _ in range(5000)
    ]
    numbers, _ = batch.texts(texts)
    wrong = [text for text, number in zip(texts, numbers, strict=True) if batch.places[number] != atlas.locate(text)]
    assert wrong == []
    assert len(batch.places) < 1000


def test_as_logs_write_them() -> None:
    atlas = Atlas([first()])
    batch = Batch(atlas, trusted=["10.0.0.0/8"])
    written = {
        "1.0.1.7:51234": "1.0.1.7",
        "[2a00::1:0:0:0:7]:443": "2a00::1:0:0:0:7",
        "1.0.1.7, 10.0.0.9": "1.0.1.7",  # the proxy of ours stands on the right
        "1.0.1.7, 8.8.8.8, 10.0.0.9, 10.1.1.1": "8.8.8.8",
        "10.0.0.9": "10.0.0.9",
        "1.0.1.0/24": "1.0.1.0",  # what retention leaves
        '"1.0.1.7"': "1.0.1.7",
        "unix:": "",
        "": "",
        "1.2.3": "",
        "1.0.1.7\0": "",
    }
    numbers, blocks = batch.texts(list(written))
    assert [batch.places[number] for number in numbers] == [atlas.locate(one) for one in written.values()]
    told = [block(int(one)) for one in blocks]
    assert told[:5] == ["1.0.1.0/24", "2a00::/48", "1.0.1.0/24", "8.8.8.0/24", "10.0.0.0/24"]
    assert told[7:] == ["", "", "", ""]
