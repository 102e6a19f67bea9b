"""The table [mail], read with its mistakes named."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gapura.letters import read
from gapura.settings import BadSetting, Settings

FROM = "Example AI <notices@example.com>"


def mail(tmp_path: Path, **fields: Any) -> dict[str, Any]:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "dkim.pem").write_bytes(key)
    (tmp_path / "other.pem").write_text("secret words")
    return {"mail": {"from": FROM, **fields}}


def test_who_writes_is_read_whole(tmp_path: Path) -> None:
    found = read(
        mail(
            tmp_path,
            reply_to="help@example.com",
            bounces="bounces@example.com",
            languages=["zh-Hans", "en"],
            zone="Asia/Shanghai",
            dkim=[{"domain": "example.com", "selector": "g1", "key_file": "dkim.pem"}],
            relay={},
            returns={},
        ),
        tmp_path,
    )
    assert found is not None
    sender, texts = found
    assert (sender.name, sender.address, sender.domain) == ("Example AI", "notices@example.com", "example.com")
    assert sender.returns_to("abc") == "bounces+abc@example.com"
    assert [signer.algorithm for signer in sender.signers] == ["ed25519-sha256"]
    assert texts.told == "en, id, zh-Hans"
    assert read({}, tmp_path) is None


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"from": ""}, r"^mail.from: say who writes"),
        ({"from": "Example"}, r"^mail.from: 'Example' is no address"),
        ({"form": "x"}, r"^mail.form: there is no such field \(did you mean from\?\)"),
        ({"reply_to": "help@"}, r"^mail.reply_to: 'help@' is no address"),
        ({"bounces": 5}, r"^mail.bounces: Expected `str`"),
        ({"languages": ["en", "fr"]}, r"^mail.languages\[1\]: there are no texts in 'fr', only en, id, zh-Hans"),
        ({"languages": []}, r"^mail.languages: name at least one"),
        ({"zone": "Peking"}, r"^mail.zone: 'Peking' is no time zone"),
        ({"texts": "nowhere"}, r"^mail.texts: there is no folder"),
        ({"dkim": [{"domain": "example.com"}]}, r"^mail.dkim\[0\]: .*`selector`"),
        (
            {"dkim": [{"domain": "a b", "selector": "x", "key_file": "dkim.pem"}]},
            r"^mail.dkim\[0\].domain: 'a b' is no name",
        ),
        (
            {"dkim": [{"domain": "a.example", "selector": "x", "key_file": "none.pem"}]},
            r"^mail.dkim\[0\].key_file: cannot be read",
        ),
        (
            {"dkim": [{"domain": "a.example", "selector": "x", "key_file": "other.pem"}]},
            r"^mail.dkim\[0\].key_file: other.pem holds no private key",
        ),
    ],
)
def test_a_mistake_is_told_by_its_field(tmp_path: Path, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSetting, match=told) as error:
        read(mail(tmp_path, **fields), tmp_path)
    assert "secret words" not in str(error.value)


def test_mail_is_a_table_of_the_file() -> None:
    assert Settings.load({}, {"mail": {"from": FROM}}).documents == {"mail": {"from": FROM}}
