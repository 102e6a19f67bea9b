"""Writes the packs (src/gapura/atlas/data/packs) and their reference page from a table of what vendors say.

    python tools/make_packs.py regions.csv

The table has a row for each provider, product and territory: provider, product, iso2, status (supported, excluded,
partial or not_listed), exceptions, as_of, source.  What it cannot say (whom a pack guards, how a list words its
exceptions) stands in PLANS.
"""

import csv
import sys
from pathlib import Path
from typing import NamedTuple

from gapura.atlas.territories import CODES, NAMES

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "src/gapura/atlas/data/packs"
PAGE = ROOT / "docs/reference/packs.md"


class Plan(NamedTuple):
    """`rows` are provider and product in the table; `excepted` are the parts that `ukraine` is about."""

    rows: tuple[str, str]
    as_of: str
    source: str
    guards: str
    kind: str = "allow"
    hosts: tuple[str, ...] = ()
    ukraine: str = ""
    excepted: tuple[str, ...] = ()
    product: str = "api"
    note: str = ""


CRIMEA_DONETSK_LUHANSK = ("UA-09", "UA-14", "UA-40", "UA-43")
OPENAI_UKRAINE = (
    "The list says “with certain exceptions” and does not name them; taken to be Crimea (UA-43), Sevastopol (UA-40),"
    " Donetsk (UA-14) and Luhansk (UA-09), which only place data with subdivisions tell apart."
)
OPENAI_NOTE = (
    "Read literally: territories of listed states that the list does not name (PR, GU, GI, JE, IM …) are not listed."
    " It also binds whoever offers access to others."
)
OPENAI = Plan(
    rows=("openai", "api"),
    as_of="2026-09-26",
    source="https://developers.openai.com/api/docs/supported-countries",
    guards="openai",
    ukraine=OPENAI_UKRAINE,
    excepted=CRIMEA_DONETSK_LUHANSK,
    note=OPENAI_NOTE,
)
PLANS = {
    "anthropic/api": Plan(
        rows=("anthropic", "api-docs-page"),
        as_of="2026",
        source="https://platform.claude.com/docs/en/api/supported-regions",
        guards="anthropic",
        ukraine="The list excepts Crimea (UA-43, and with it Sevastopol, UA-40), Donetsk (UA-14) and Luhansk (UA-09),"
        " which only place data with subdivisions tell apart.",
        excepted=CRIMEA_DONETSK_LUHANSK,
        note="The page bears no date. Anthropic's policy page differs: it adds CD, CF, ER and ET, and may lack VA."
        " A rule on ownership stands beside the list: it is a matter of the account, not of the address.",
    ),
    "cohere/api": Plan(
        rows=("cohere", "api"),
        as_of="2026-09-26",
        source="https://cohere.com/saas-agreement",
        guards="cohere",
        kind="deny",
        note="China is excluded including Hong Kong and Macao.",
    ),
    "google/gemini-api": Plan(
        rows=("google", "gemini-api"),
        as_of="2026-09-26",
        source="https://ai.google.dev/gemini-api/docs/available-regions",
        guards="google",
        note="For the Gemini API alone; Google's cloud platform serves other places under other terms.",
    ),
    "mistral/api": Plan(
        rows=("mistral", "api"),
        as_of="2026-09-26",
        source="https://legal.mistral.ai/terms/commercial-terms-of-service",
        guards="mistral",
        kind="deny",
        ukraine="The terms exclude Crimea (UA-43, and with it Sevastopol, UA-40), Donetsk (UA-14) and Luhansk (UA-09),"
        " which only place data with subdivisions tell apart.",
        excepted=CRIMEA_DONETSK_LUHANSK,
    ),
    "openai/api": OPENAI,
    "openai/chatgpt": OPENAI._replace(
        product="chatgpt",
        source="https://help.openai.com/en/articles/7947663-chatgpt-and-openai-api-supported-countries-and-territories",
        note="OpenAI publishes one list for ChatGPT and its API; the codes are those of openai/api. " + OPENAI_NOTE,
    ),
    "z.ai/api": Plan(
        rows=("z.ai", "api (international)"),
        as_of="2026-09-26",
        source="https://docs.z.ai/legal-agreement/terms-of-use",
        guards="glm",
        kind="deny",
        hosts=("api.z.ai",),
        ukraine="The terms exclude Crimea (UA-43, and with it Sevastopol, UA-40), Donetsk (UA-14) and Zaporizhzhia"
        " (UA-23), but not Luhansk; only place data with subdivisions tell them apart.",
        excepted=("UA-14", "UA-23", "UA-40", "UA-43"),
        note="For the international site; of open.bigmodel.cn no list was found.",
    ),
}


def listed(table: list[dict[str, str]], plan: Plan) -> dict[str, list[str]]:
    """What the pack says: codes by status."""
    wanted = "supported" if plan.kind == "allow" else "excluded"
    rows = [row for row in table if (row["provider"], row["product"]) == plan.rows]
    codes = {row["iso2"] for row in rows if row["status"] == wanted}
    if not codes or codes - CODES or "EU" in codes:
        raise SystemExit(f"{plan.rows}: no rows, or no territories: {sorted(codes - CODES)}")
    partial = {"UA"} if plan.ukraine else set()
    return {wanted: sorted(codes - partial), "partial": sorted(partial)}


RECORD = "github.com/mvalentsev/awesome-free-ai-coding"


def note(table: list[dict[str, str]], plan: Plan) -> str:
    """With where the codes were read, if that was not the vendor's page."""
    sources = {row["source"] for row in table if (row["provider"], row["product"]) == plan.rows}
    second_hand = any(RECORD.rpartition("/")[2] in source for source in sources)
    return " ".join(filter(None, (plan.note, f"The codes are as recorded in {RECORD}." if second_hand else "")))


def text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def array(values: list[str]) -> str:
    lines = [values[at : at + 16] for at in range(0, len(values), 16)]
    return "[\n" + "".join(f"    {', '.join(map(text, line))},\n" for line in lines) + "]"


def toml(name: str, plan: Plan, codes: dict[str, list[str]]) -> str:
    fields = {
        "name": text(name),
        "as_of": text(plan.as_of),
        "source": text(plan.source),
        "guards": f"[{text(plan.guards)}]",
    }
    if plan.product != "api":
        fields["product"] = text(plan.product)
    if plan.hosts:
        fields["hosts"] = f"[{', '.join(map(text, plan.hosts))}]"
    fields["kind"] = text(plan.kind)
    if plan.note:
        fields["note"] = text(plan.note)
    fields |= {status: array(values) for status, values in codes.items() if status != "partial"}
    if plan.excepted:
        fields["excepted"] = f"[{', '.join(map(text, plan.excepted))}]"
    body = "".join(f"{field} = {value}\n" for field, value in fields.items())
    return body + "".join(f"\n[partial]\n{code} = {text(plan.ukraine)}\n" for code in codes["partial"])


def row(name: str, plan: Plan, codes: dict[str, list[str]]) -> str:
    count, what = next((len(values), status) for status, values in codes.items() if status != "partial")
    hosts = f" at {', '.join(f'`{host}`' for host in plan.hosts)}" if plan.hosts else ""
    partial = ", ".join(NAMES[code] for code in codes["partial"])
    return f"| `{name}` | {plan.as_of} | `{plan.guards}`{hosts} | {count} {what} | {partial} | <{plan.source}> |\n"


HEAD = """# Packs

A pack is a provider's own list of places, read literally. Name it in a policy (`pack = "openai/api"`); lists of your
own stand beside the policies ([policy documents](policy-documents.md)). Where a list excepts parts of a territory, the
territory is *partial*: place data that know the part decide (an excepted part is not listed, the others are covered);
where only the whole is known, `on_partial` of the policy says what happens. A pack of an API guards what passes through
the gateway; one of another product, such as `openai/chatgpt`, is asked for by name.

| pack | as of | guards provider | territories | partial | source |
|---|---|---|---|---|---|
"""


def main(csv_file: str) -> None:
    with Path(csv_file).open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    FOLDER.mkdir(parents=True, exist_ok=True)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    page, notes = HEAD, "\n"
    for name, planned in PLANS.items():
        plan = planned._replace(note=note(table, planned))
        codes = listed(table, plan)
        (FOLDER / f"{name.replace('/', '-')}.toml").write_text(toml(name, plan, codes), encoding="utf-8")
        page += row(name, plan, codes)
        remarks = " ".join(remark for remark in (plan.note, plan.ukraine and f"Ukraine: {plan.ukraine}") if remark)
        notes += f"- `{name}`: {remarks}\n"
    PAGE.write_text(page + notes, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
