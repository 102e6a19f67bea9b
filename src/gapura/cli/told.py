"""Policies in words for a terminal: what is in force, what speaks against a document, why a decision is as it is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gapura.cli.output import pairs, table
from gapura.clock import text

Found = Mapping[str, Any]

POLICIES = ("policy", "pack", "as_of", "guards", "phases", "rules", "exceptions", "on_unknown", "on_disagreement")
VERDICTS = ("target", "effect", "policy", "rule", "because")
SOURCES = ("source", "code", "as_of", "subdivision", "network")


def shown(found: Found) -> str:
    head = {"version": found["version"], "site": found["site_territory"], "egress": found["egress_territory"]}
    return pairs(head) + "\n\n" + table(map(_policy, found["policies"]), POLICIES)


def listed(found: Found) -> str:
    head = pairs({"decides": _deciding(found["decides"]), "shadow": found["shadow"]})
    rows = [one | {"version": one["id"], "since_at": one["since"]} for one in found["items"]]
    return head + "\n\n" + table(rows, ("version", "state", "since_at", "reason", "actor"))


def kept(found: Found) -> str:
    version = found["version"]
    head = pairs({name: version[name] for name in ("id", "state", "format", "reason", "actor", "at")})
    history = table(found["history"], ("at", "state", "rulebook", "actor", "reason"))
    return "\n\n".join([head, history, found["document"].rstrip("\n")])


def checked(found: Found) -> str:
    if not found["sound"]:
        return str(found["message"])
    differs = "differs from what is in force" if found["changed"] else "is what is in force"
    sound = "sound" if found["findings"]["stands"] else "it can be meant, and could not be put in force"
    return f"{sound}; version {found['version']} {differs}"


def tested(found: Found) -> str:
    tests = found["tests"]
    if not tests:
        return "the document has no tests; write some under [[tests]]"
    lines = [f"{'ok' if outcome['passed'] else 'FAILED':<6}  {_outcome(outcome)}" for outcome in tests]
    return "\n".join([*lines, f"{sum(outcome['passed'] for outcome in tests)} of {len(tests)} hold"])


def findings(found: Found) -> list[str]:
    """What speaks against a document, and what a person should look at."""
    failed = [f"a test fails: {_outcome(outcome)}" for outcome in found["tests"] if not outcome["passed"]]
    return failed + [_lint(lint) for lint in found["lints"]]


def proposed(done: Found) -> str:
    version = done["version"]
    return f"version {version['id']}, {version['state']}; what it changes: gapura policy diff current {version['id']}"


def activated(done: Found) -> str:
    version, lines = done["version"], list(done["compared"]["words"])
    if done["against"]:
        lines += [f"it cannot be put in force: {why}" for why in done["against"]]
    elif done["former"] == version:
        lines = [f"{version} is in force already"]
    elif done["dry_run"]:
        lines.append(f"nothing was done; to do it: gapura policy activate {version} --confirm {version} --reason …")
    else:
        lines.append(f"{version} is in force in the place of {_deciding(done['former'])}")
    return "\n".join(lines)


def beside(found: Found) -> str:
    if found["version"] is None:
        return "no version runs in shadow"
    head = {"version": found["version"]["id"], "since_at": found["version"]["since"]}
    head |= {"requests compared": found["compared"], "of which differ": found["differing"]}
    counts = [row | {"other targets": row["moved"]} for row in found["counts"] if row["moved"] or _differs(row)]
    parts = [pairs(head)]
    if counts:
        parts.append(table(counts, ("territory", "live", "next", "other targets", "requests")))
    parts += [_sample(sample) for sample in found["samples"]]
    return "\n\n".join(parts)


def decided(found: Found) -> str:
    names = ("id", "opened_at", "outcome", "status", "account", "model", "provider", "territory", "certainty")
    head = {name: found[name] for name in names} | {"effect": found["effect"], "policy": found["policy_version"]}
    if found["shadow_effect"]:
        head["next version"] = f"{found['shadow_effect']}, by {found['shadow_version']}"
    verdicts = _rows(VERDICTS, found["verdicts"] or [])
    parts = [pairs(head), table(verdicts, VERDICTS)]
    if found["answers"]:
        parts.append(table(_rows(SOURCES, found["answers"]), SOURCES))
    return "\n\n".join(parts)


def explained(answer: Found) -> str:
    origin, located = answer["origin"], answer["located"]
    head = {name: origin[name] for name in ("territory", "subdivision", "network", "certainty") if origin[name]}
    if located:
        head |= {"confidence": f"{located['located']['confidence']:.1%}", "because": located["because"]}
        if correction := located["correction"]:
            until, owner = text(correction["ends"]), correction["owner"]
            head["correction"] = f"{correction['prefix']} is {correction['territory']}, says {owner}, until {until}"
    parts = [pairs(head | {"at": answer["at"]})]
    if origin["answers"]:
        parts.append(table(_rows(SOURCES, origin["answers"]), SOURCES))
    return "\n\n".join([*parts, *("\n".join(_explained(one)) for one in answer["explanations"])])


def _explained(one: Found) -> Iterator[str]:
    target, effect, _, _, because, *_ = one["verdict"]
    yield f"{target.rstrip('/')}: {effect}, because {because}"
    for opinion in one["opinions"]:
        ruling = opinion["ruling"]
        who = opinion["policy"] or "the account"
        yield f"  {who}: {ruling['effect']} by {ruling['rule']}: {ruling['because']}"
        yield from (f"    it holds for {found}" for found in ruling["evidence"])
        yield from (f"    passed over {passed['rule']}: {passed['why']}" for passed in ruling["passed"])
    yield from (f"  {passed['rule']} has no say: it {passed['why']}" for passed in one["passed"])
    for change in one["later"]:
        yield f"  from {text(change['at'])}: {change['verdict'][1]}, because {change['verdict'][4]}"
    if later := one["next"]:
        same = "the same" if later["verdict"][1] == effect else later["verdict"][1]
        yield f"  the version in shadow: {same}, because {later['verdict'][4]}"


def _sample(sample: Found) -> str:
    head = f"{text(sample['at'])}  {sample['decision']}  {sample['account'] or '-'} from {sample['territory'] or '-'}"
    lines = [f"{head}, {sample['model']}: {sample['effect']} → {sample['next_effect']}"]
    lines += [f"  {target.rstrip('/')}: {effect}, because {because}" for target, effect, _, _, because, *_ in
              sample["next_verdicts"]]  # fmt: skip
    return "\n".join(lines)


def _outcome(outcome: Found) -> str:
    _, effect, _, rule, because, *_ = outcome["verdict"]
    name = f"{outcome['path']} {outcome['name']}".rstrip()
    wanted = "" if outcome["passed"] else f"{outcome['expect']} was expected, and it is "
    return f"{name}: {wanted}{effect} by {rule or 'no rule'}, {because}"


def _lint(lint: Found) -> str:
    said: str = f"{lint['policy']}: {lint['message']} [{lint['code']}]"
    if lint["accepted"]:
        return f"{said}; accepted: {lint['accepted']}"
    return f"{said}; it keeps the document from being put in force" if lint["severity"] == "refuse" else said


def _deciding(name: str) -> str:
    named = {"file": "gapura.toml", "default": "the packs as they stand"}
    return named.get(name, f"version {name}")


def _differs(row: Found) -> bool:
    return bool(row["live"] != row["next"])


def _policy(one: dict[str, Any]) -> dict[str, Any]:
    """On one line: of lists only the length."""
    pack = one["pack"]
    counts = {name: len(one[name]) for name in ("phases", "rules", "exceptions")}
    return (
        one | counts | {"policy": one["name"], "pack": pack["name"], "as_of": pack["as_of"], "guards": pack["guards"]}
    )


def _rows(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Positional structs, of which an older one is shorter."""
    return [dict(zip(names, row, strict=False)) for row in rows]
