"""What is written: a letter, which is values, becomes a message.

    catalogue → voice → write → page → plain, texts (HTML), calendar → message → dkim

texts       all languages and the template, checked whole at the start     sender   who writes: `[mail]` of gapura.toml
catalogue   what letters say in one language        voice      dates, numbers, plurals and places in that language
write       what a kind of letter says, in order    page       the letter in one language, before it has a form
compose     all of it, for one letter
"""

from gapura.letters.address import BadAddress
from gapura.letters.compose import BadLetter, compose
from gapura.letters.sender import Sender, read
from gapura.letters.texts import Texts

__all__ = ["BadAddress", "BadLetter", "Sender", "Texts", "compose", "read"]
