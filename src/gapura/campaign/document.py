"""A campaign as people write it, in TOML or YAML → the value.

name = "june-2024"
policy = "openai/api"
effective_at = 2024-07-09T00:00:00
zone = "Asia/Shanghai"
"""

import msgspec

from gapura.atlas.territories import resolve
from gapura.rulebook.documents import BadDocument, named, table, term, when, zone_named
from gapura.rulebook.formats import Format, parse
from gapura.terms.campaign import Act, Audience, Campaign, Fallback, Hours, Pace, Retries

PARTS: dict[str, type[msgspec.Struct]] = {
    "audience": Audience,
    "fallback": Fallback,
    "hours": Hours,
    "pace": Pace,
    "retries": Retries,
}


def read(content: bytes, written_in: Format) -> Campaign:
    """Raises BadDocument naming the field."""
    fields = table(parse(content, written_in), "campaign", Campaign)
    if "effective_at" not in fields:
        raise BadDocument("effective_at", "say from when on, as 2024-07-09T00:00:00+08:00")
    if "zone" in fields:
        zone_named(str(fields["zone"]), "campaign.zone")
    fields["effective_at"] = when(fields["effective_at"], "effective_at", str(fields.get("zone", "")))
    for name, kind in PARTS.items():
        if name in fields:
            fields[name] = table(fields[name], name, kind)
    if "audience" in fields:
        fields["audience"] |= named(fields["audience"], "audience", ("territories",), resolve)
    if "acts" in fields:
        acts = fields["acts"]
        if not isinstance(acts, list | tuple):
            raise BadDocument("acts", "expected a list of tables")
        fields["acts"] = [table(one, f"acts[{number}]", Act) for number, one in enumerate(acts)]
    return term(fields, "campaign", Campaign)
