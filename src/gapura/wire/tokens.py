"""How many tokens, without a tokenizer: a bound before a request is sent, an estimate where nobody told us.

>>> estimate("Selamat pagi, dunia!"), estimate("你好，世界")
(5, 4)
"""

import re

# An image costs tokens that its URL does not show.  The dearest seen: gpt-4o-mini bills up to 36,835 tokens an image
# (OpenAI's vision guide), Qwen-VL up to 16,384.  A video is bounded by the smallest context of a model that takes one.
IMAGE = 37_000
VIDEO = 129_024

# What a vendor may put around a request: role markers, the reply's first tokens, a short system text of its own.
OVERHEAD = 256


def bound(body: bytes, images: int | None = None) -> int:
    """Input tokens of a chat request: never less than a vendor counts.  `images`: how many, where that is said in
    another way than in chat.

    A token is made of at least one byte of text, and JSON's own signs around a message outnumber the markers that
    vendors put in their place, so the body's length bounds all that is text.
    """
    if images is None:
        images = (body.count(b'"image_url"') + 1) // 2
    return len(body) + OVERHEAD + images * IMAGE + body.count(b'"video_url"') * VIDEO


def estimate(text: str) -> int:
    """What a text probably costs: four ASCII characters a token, five other characters for four tokens."""
    ascii_only = len(text.encode("ascii", "ignore"))
    return (ascii_only + 3) // 4 + ((len(text) - ascii_only) * 4 + 4) // 5


def guess(body: bytes) -> int:
    """What the input of a chat request probably costs: its JSON signs take the place of what a vendor adds."""
    return (len(body) + 3) // 4


KINDS = ("words", "letters", "han", "others", "digits", "signs", "breaks")
"""Kinds of signs that vocabularies treat alike: runs of letters, and the letters in them; Chinese signs, kana and
hangul; letters beyond ASCII; digits; punctuation; ends of lines."""

_WORDS = re.compile(r"[^\W\d_\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9d]+")
_HAN = re.compile(r"[\u1100-\u11ff\u2e80-\u2fdf\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9d]+")
_DIGITS = re.compile(r"\d+")
_BREAKS = re.compile(r"\n+")
_SIGNS = re.compile(r"[^\w\s]|_")


def kinds(text: str) -> tuple[int, int, int, int, int, int, int]:
    """How many of each of KINDS a text has."""
    words = _WORDS.findall(text)
    letters = "".join(words)
    plain = len(letters.encode("ascii", "ignore"))
    return (
        len(words),
        plain,
        sum(map(len, _HAN.findall(text))),
        len(letters) - plain,
        sum(map(len, _DIGITS.findall(text))),
        len(_SIGNS.findall(text)),
        len(_BREAKS.findall(text)),
    )
