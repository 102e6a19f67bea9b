"""Who writes: the table `[mail]` of gapura.toml, as far as it is about letters.

>>> read({"mail": {"from": "Example <notices@example.com>", "replyto": "help@example.com"}}, Path())
Traceback (most recent call last):
...
gapura.settings.bad.BadSetting: mail.replyto: there is no such field (did you mean reply_to?)
"""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gapura.letters import address
from gapura.letters.dkim import Signer
from gapura.letters.texts import Texts
from gapura.letters.voice import local
from gapura.settings import BadSetting

OTHERS = ("relay", "returns")
"""Tables in `[mail]` that `gapura.post` reads."""

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """`[mail]` as it is written; `texts` is a folder of the operator's own catalogues and template."""

    sender: str = ""
    reply_to: str = ""
    bounces: str = ""
    languages: tuple[str, ...] = ("en",)
    zone: str = "UTC"
    texts: str = ""
    dkim: tuple["Key", ...] = ()


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`key_file` holds a private key in PEM, readable by nobody else."""

    domain: str
    selector: str
    key_file: str


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """`bounces` "": they go to `address`; else to `bounces` with the letter's token behind a `+`.  `languages`: of a
    letter whose account has none; with more than one it says everything in each of them."""

    address: str
    name: str = ""
    reply_to: str = ""
    bounces: str = ""
    languages: tuple[str, ...] = ("en",)
    zone: str = "UTC"
    signers: tuple[Signer, ...] = ()

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    def returns_to(self, token: str) -> str:
        """The address that bounces of this letter go to (its envelope's sender)."""
        local_part, _, domain = self.bounces.rpartition("@")
        return f"{local_part}+{token}@{domain}" if self.bounces else self.address


def read(documents: Mapping[str, Any], folder: Path) -> tuple[Sender, Texts] | None:
    """None without a table `[mail]`.  Relative paths start at `folder`.  Raises BadSetting, which names the field."""
    if "mail" not in documents:
        return None
    table = _table(documents["mail"])
    if not table.sender:
        raise BadSetting('mail.from: say who writes, as "Example <notices@example.com>"')
    name, sender = _mailbox(table.sender, "from")
    texts = Texts.load(folder / table.texts if table.texts else None)
    for number, language in enumerate(table.languages):
        if texts.voice(language) is None:
            raise BadSetting(f"mail.languages[{number}]: there are no texts in {language!r}, only {texts.told}")
    if not table.languages:
        raise BadSetting("mail.languages: name at least one language")
    try:
        local(0, table.zone)
    except BadSetting as error:
        raise BadSetting(f"mail.zone: {error}") from None
    return (
        Sender(
            address=sender,
            name=name,
            reply_to=_mailbox(table.reply_to, "reply_to")[1] if table.reply_to else "",
            bounces=_mailbox(table.bounces, "bounces")[1] if table.bounces else "",
            languages=table.languages,
            zone=table.zone,
            signers=tuple(_signer(key, f"mail.dkim[{number}]", folder) for number, key in enumerate(table.dkim)),
        ),
        texts,
    )


def _table(raw: object) -> Table:
    if not isinstance(raw, Mapping):
        raise BadSetting("mail: expected a table")
    ours = {name: value for name, value in raw.items() if name not in OTHERS}
    for name in ours:
        if name not in (known := Table.__struct_encode_fields__):
            near = difflib.get_close_matches(name, (*known, *OTHERS), n=1)
            raise BadSetting(f"mail.{name}: there is no such field" + (f" (did you mean {near[0]}?)" if near else ""))
    try:
        return msgspec.convert(ours, Table)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        raise BadSetting(f"mail{where.rstrip('`')}: {problem}") from None


def _mailbox(text: str, field: str) -> tuple[str, str]:
    try:
        return address.mailbox(text)
    except address.BadAddress as error:
        raise BadSetting(f"mail.{field}: {error}") from None


def _signer(key: Key, where: str, folder: Path) -> Signer:
    for field in ("domain", "selector"):
        if not _LABEL.fullmatch(getattr(key, field)):
            raise BadSetting(f"{where}.{field}: {getattr(key, field)!r} is no name in DNS")
    try:
        return Signer.read(key.domain.lower(), key.selector, (folder / key.key_file).read_bytes())
    except OSError as error:
        raise BadSetting(f"{where}.key_file: cannot be read: {error}") from None
    except ValueError as error:
        raise BadSetting(f"{where}.key_file: {key.key_file} {error}") from None
