"""Who is asked in a back-test: the next policy, the one in force, place data, and the operator's accounts."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gapura.atlas import mmdb, sources
from gapura.cli import ending
from gapura.cli.client import Api, connected
from gapura.cli.ending import Failed
from gapura.cli.output import Output
from gapura.logs.result import Side
from gapura.rulebook import formats
from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument, nearest
from gapura.rulebook.opinions import product_name
from gapura.rulebook.read import read
from gapura.settings import Settings
from gapura.terms.caller import Account
from gapura.terms.place import Origin
from gapura.terms.rulebook import Policy, Rulebook
from gapura.terms.verdict import Verdict

IN_FORCE, NONE = "in-force", "none"


class Judge:
    """A rulebook, asked about one product as of one instant."""

    def __init__(self, name: str, book: Rulebook, product: str, at: int) -> None:
        self._rules, self._product, self._at = Rules(book), product, at
        concerned = [policy for policy in book.policies if product_name(policy) == product]
        names = tuple(policy.name for policy in concerned)
        self.side = Side(name=name, version=book.version, at=at, policies=names)
        self.by_model = any(
            policy.models or any(rule.models or rule.when for rule in policy.rules) for policy in concerned
        )

    def standing(self, account: Account) -> Hashable:
        return self._rules.standing(account, self._at)

    def judge(self, origin: Origin, account: Account, model: str) -> Verdict:
        return self._rules.judge_product(self._product, origin, account, self._at, model)


def document(path: Path) -> Rulebook:
    """The policies of a file, whatever else is in it.  Raises Failed naming the field."""
    try:
        tables = formats.parse(path.read_bytes(), formats.format_of(path.name))
        book = read({"policies": tables.get("policies", ())}, endpoints=(), models={})
    except BadDocument as error:
        raise Failed(f"{path}: {error}", exit_code=ending.USAGE, code="bad_document", field=error.path) from None
    if not book.policies:
        raise Failed(f"{path} has no [[policies]]", exit_code=ending.USAGE, code="bad_document", field="policies")
    return book


def product_of(book: Rulebook, asked: str) -> str:
    """The one that is asked about; without a word on it, the only one that the document has policies for."""
    there = sorted({product_name(policy) for policy in book.policies})
    if asked in there:
        return asked
    if asked:
        problem = f"no policy of the document is about {asked}{nearest(asked, there)}"
    elif len(there) == 1:
        return there[0]
    else:
        problem = "the document is about several products; say which"
    raise Failed(f"--product: {problem}; there are {', '.join(there)}", exit_code=ending.USAGE, field="product")


def fully(book: Rulebook, product: str, now: int) -> int:
    """The instant from which on every phase has begun, not before now."""
    begins = [phase.starts for policy in book.policies if product_name(policy) == product for phase in policy.phases]
    return max([now, *begins])


@contextmanager
def keeper(settings: Settings, url: str | None, token_file: Path | None, out: Output) -> Iterator[Api | None]:
    """Whoever knows what is in force: a keeper, or the store of this home.  None where there is neither."""
    if url or settings.database_path.exists():
        with connected(settings.home, url, token_file, out) as api:
            yield api
    else:
        yield None


def in_force(api: Api | None, settings: Settings) -> Rulebook | None:
    if api is not None:
        found = api.get("/policies")
        policies = msgspec.convert(found["policies"], tuple[Policy, ...])
        return Rulebook(version=found["version"], endpoints=(), routes={}, policies=policies)
    if settings.documents.get("policies"):
        return read({"policies": settings.documents["policies"]}, endpoints=(), models={})
    return None


def directory(api: Api | None) -> dict[str, Account]:
    """The operator's accounts, by both their names: logs may have the one or the other."""
    found = [msgspec.convert(one, Account) for one in api.every("/accounts")] if api else []
    return {name: account for account in found for name in (account.external_id, account.id)}


def place_data(settings: Settings) -> tuple[sources.Atlas, str]:
    """As the gates have them, and what they are called."""
    atlas = sources.load(settings.home, settings.documents)
    return atlas, ", ".join(f"{source.name} {source.as_of}" for source in atlas.sources)


def older(path: Path) -> tuple[sources.Atlas, str]:
    """A folder of packed data (with meta.json), or an .mmdb."""
    try:
        if path.is_dir():
            ranges, meta = sources.read(path)
            source: sources.Packed | mmdb.Mmdb = sources.Packed(ranges, meta.source, meta.as_of)
        else:
            source = mmdb.open_file(path)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise Failed(f"--atlas: {error}", exit_code=ending.USAGE, code="bad_atlas", field="atlas") from None
    return sources.Atlas([source]), f"{source.name} {source.as_of}"
