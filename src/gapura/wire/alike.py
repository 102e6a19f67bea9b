"""The same, however it is written: for comparing what those say who claim twice, and for nothing else.

>>> alike("\\uff21\\u0441me\\u200b")  # a wide A, a Cyrillic es, and nothing at the end
'acme'
>>> mailbox("Ada.L+free@googlemail.com"), domain("XN--BCHER-KVA.example.")
('adal@gmail.com', 'b\\xfccher.example')
"""

import re
import unicodedata
from contextlib import suppress

# Cyrillic and Greek letters that look like Latin ones, in small letters.
LOOKS = str.maketrans(
    "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0455\u0456\u0458\u0501\u051b\u051d\u04bb"
    "\u03b1\u03b2\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03b3",
    "abekmhopctyxsijdqwhabeikvoptuxy",
)
GMAIL = {"gmail.com", "googlemail.com"}


def alike(words: str) -> str:
    """In small letters, without what is not seen; letters of another script are Latin where all of it looks so."""
    seen = "".join(one for one in unicodedata.normalize("NFKC", words) if unicodedata.category(one) != "Cf").casefold()
    looks = seen.translate(LOOKS)
    return looks if looks.isascii() else seen


def company(name: str) -> str:
    """A company's name without what people write in different ways."""
    return re.sub(r"[\W_]+", " ", alike(name)).strip()


def domain(name: str) -> str:
    """A domain in its own letters, also where it came as IDNA has it."""
    with suppress(UnicodeError):  # it is written in its own letters, or is none
        name = name.lower().encode("ascii").decode("idna")
    return alike(name).rstrip(".")


def mailbox(address: str) -> str:
    """Where its mail ends, without what some put into an address to have several: `+anything`, and dots at Gmail."""
    local, _, at = address.rpartition("@")
    local, at = alike(local).partition("+")[0], domain(at)
    return f"{local.replace('.', '')}@gmail.com" if at in GMAIL else f"{local}@{at}"
