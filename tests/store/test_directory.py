import hashlib
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gapura.store import directory
from gapura.store.base import StoreFailed
from gapura.store.directory import Directory, write
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.link import Delta

# Few accounts and digests that begin alike, so that neighbours, doubles and changes do meet.
DIGESTS = st.builds(
    lambda head, tail: bytes([0, head]) + bytes(29) + bytes([tail]), st.integers(0, 2), st.integers(0, 9)
)
NUMBERS = st.integers(0, 9)
ACCOUNTS = st.builds(
    lambda n, **said: Account(f"acc_{n}", f"c-{n % 5}", f"org-{n // 5}", **said),
    NUMBERS,
    name=st.text(max_size=5),
    status=st.sampled_from(["active", "warned", "suspended"]),
    contacts=st.just({"owner": "a@b.test"}),
    data_may_go_to=st.sampled_from([(), ("SG", "ID")]),
)
KEYS = st.builds(
    lambda n, account, **said: Key(f"key_{n}", f"acc_{account}", "sk-gp-abcdef", **said),
    NUMBERS,
    NUMBERS,
    revoked=st.booleans(),
    models=st.sampled_from([(), ("gpt-4o-mini",)]),
    expires_at=st.integers(0, 2**62),
)
EVERY_DIGEST = [bytes([0, head]) + bytes(29) + bytes([tail]) for head in range(4) for tail in range(10)]


class Model:
    """What a directory is, as two dicts."""

    def __init__(self, keys: dict[bytes, Key], accounts: dict[str, Account]) -> None:
        self.keys, self.accounts = keys, accounts

    def find(self, digest: bytes) -> Caller | None:
        key = self.keys.get(digest)
        account = key and self.accounts.get(key.account_id)
        return Caller(key, msgspec.structs.replace(account, contacts={})) if key and account else None

    def by_external_id(self, organisation: str, external_id: str) -> Account | None:
        for account in self.accounts.values():
            if (account.organisation, account.external_id) == (organisation, external_id):
                return msgspec.structs.replace(account, contacts={})
        return None


def check(found: Directory, model: Model) -> None:
    names = [(f"org-{n // 5}", f"c-{n % 5}") for n in range(12)]
    for _ in range(2):  # the second time from memory
        assert [found.find(digest) for digest in EVERY_DIGEST] == [model.find(digest) for digest in EVERY_DIGEST]
        assert [found.by_external_id(*name) for name in names] == [model.by_external_id(*name) for name in names]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(DIGESTS, KEYS),
    st.lists(ACCOUNTS, unique_by=lambda account: account.id),
    st.lists(st.tuples(st.dictionaries(DIGESTS, KEYS, max_size=3), st.lists(ACCOUNTS, max_size=3)), max_size=4),
    st.sampled_from([1, 3, 5, 40]),
)
def test_it_finds_what_a_dict_finds(
    tmp_path: Path,
    keys: dict[bytes, Key],
    accounts: list[Account],
    changes: list[tuple[dict[bytes, Key], list[Account]]],
    remembered: int,
) -> None:
    known = {account.id: account for account in accounts}
    model = Model({digest: key for digest, key in keys.items() if key.account_id in known}, known)
    path = tmp_path / "1.dir"
    write(path, model.keys.items(), accounts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(directory, "REMEMBERED", remembered)
        found = Directory(path)
        check(found, model)
        for seq, (new_keys, new_accounts) in enumerate(changes, 1):
            delta = Delta(
                seq, {digest.hex(): key for digest, key in new_keys.items()}, {each.id: each for each in new_accounts}
            )
            found.apply(delta)
            model.keys.update(new_keys)
            model.accounts.update(delta.accounts)
            check(found, model)
        assert max(len(found._young), len(found._old), len(found._met)) <= remembered
        found.close()


ACCOUNT = Account("acc_1", "c-1", "acme", contacts={"owner": "a@b.test"})
KEY = Key("key_1", "acc_1", "sk-gp-abcdef")
DIGEST = hashlib.sha256(b"1").digest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "1.dir", [(DIGEST, KEY)], [ACCOUNT])
    return tmp_path / "1.dir"


def test_revocation_and_suspension_reach_who_is_remembered(path: Path) -> None:
    found = Directory(path, seq=4)
    before = found.find(DIGEST)
    assert before is not None and before.account.contacts == {}
    found.apply(Delta(5, accounts={"acc_1": msgspec.structs.replace(ACCOUNT, status="suspended")}))
    suspended = found.find(DIGEST)
    assert suspended is not None and suspended.account.status == "suspended"
    found.apply(Delta(6, keys={DIGEST.hex(): msgspec.structs.replace(KEY, revoked=True)}))
    revoked = found.find(DIGEST)
    assert revoked is not None and revoked.key.revoked and revoked.account.status == "suspended"
    found.apply(Delta(3, accounts={"acc_1": ACCOUNT}, keys={DIGEST.hex(): KEY}))
    assert found.find(DIGEST) == revoked and found.seq == 6, "an older change does not bring the old state back"
    found.close()


def test_a_caller_in_use_is_decoded_once(path: Path) -> None:
    found = Directory(path)
    assert found.find(DIGEST) is found.find(DIGEST)
    found.close()


def test_it_is_ours_alone_tells_no_contacts_and_leaves_no_draft(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"a@b.test" not in path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == ["1.dir"]


def test_what_a_killed_writer_left_is_taken_over(tmp_path: Path) -> None:
    """Of a million keys a draft has 150 MB: they must not pile up where a keeper dies again and again."""
    program = "import os, sys; from pathlib import Path; from gapura.store import directory as d; "
    program += "d._write = lambda *_: os._exit(9); d.write(Path(sys.argv[1]), [], [])"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", program, str(tmp_path / "0.dir")], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    write(tmp_path / "0.dir", [], [])
    assert [file.name for file in tmp_path.iterdir()] == ["0.dir"]


def test_an_empty_one_finds_nobody(tmp_path: Path) -> None:
    write(tmp_path / "0.dir", [], [])
    found = Directory(tmp_path / "0.dir")
    assert found.find(DIGEST) is None and found.by_external_id("acme", "c-1") is None
    found.close()


def test_a_file_cut_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for length in (0, 7, 40, 71, 72, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreFailed, match=r"torn|not a directory"):
            Directory(path)


def test_a_file_with_one_wrong_byte_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for at in (0, 9, 30, 60, 75, 150, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(StoreFailed, match="damaged"):
            Directory(path)


def test_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(directory, "VERSION", 2)
        write(tmp_path / "2.dir", [], [])
    with pytest.raises(StoreFailed, match="format 2, this gapura reads 1"):
        Directory(tmp_path / "2.dir")


def test_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="No such file"):
        Directory(tmp_path / "3.dir")


@pytest.mark.parametrize(
    ("keys", "accounts", "words"),
    [
        ([(DIGEST, KEY), (DIGEST, KEY)], [ACCOUNT], "comes twice"),
        ([(DIGEST, KEY)], [], "which is not there"),
        ([], [ACCOUNT, ACCOUNT], "an account id comes twice"),
    ],
)
def test_what_cannot_be_is_not_written(
    path: Path, keys: list[tuple[bytes, Key]], accounts: list[Account], words: str
) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match=words):
        write(path, keys, accounts)
    assert path.read_bytes() == before and [file.name for file in path.parent.iterdir()] == ["1.dir"]


def test_two_hundred_thousand_keys(tmp_path: Path) -> None:
    def digest(n: int) -> bytes:
        return hashlib.sha256(n.to_bytes(4, "big")).digest()

    many, path = 200_000, tmp_path / "many.dir"
    accounts = (Account(f"acc_{n:032x}", f"c-{n}", "acme") for n in range(many // 10))
    write(path, ((digest(n), Key(f"key_{n}", f"acc_{n // 10:032x}", "sk-gp-")) for n in range(many)), accounts)
    assert path.stat().st_size < 40_000_000
    found = Directory(path)
    for n in range(0, many, 97):
        caller = found.find(digest(n))
        assert caller is not None and caller.key.id == f"key_{n}" and caller.account.external_id == f"c-{n // 10}"
        assert found.find(digest(n + many)) is None
    last = found.by_external_id("acme", "c-19999")
    assert last is not None and last.id == f"acc_{19_999:032x}"
    found.close()
