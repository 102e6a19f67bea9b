import apsw
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gapura.store.base import Shape
from gapura.terms.caller import Account, Key

NUMBERS = st.integers(0, 2**62)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SEVERAL = st.lists(WORDS).map(tuple)
ACCOUNTS = st.builds(
    Account,
    id=WORDS, external_id=WORDS, organisation=WORDS, name=WORDS,
    contacts=st.dictionaries(WORDS, WORDS), budget=NUMBERS, data_may_go_to=SEVERAL,
)  # fmt: skip
KEYS = st.builds(
    Key,
    id=WORDS, account_id=WORDS, prefix=WORDS, name=WORDS,
    models=SEVERAL, cidrs=SEVERAL, revoked=st.booleans(), expires_at=NUMBERS,
)  # fmt: skip


@given(ACCOUNTS | KEYS)
def test_a_struct_comes_back_as_it_went_in(struct: Account | Key) -> None:
    shape: Shape[msgspec.Struct] = Shape(type(struct))
    row = apsw.Connection(":memory:").execute(f"SELECT {shape.marks}", shape.row(struct)).fetchone()
    assert row is not None
    assert shape.struct(row) == struct
