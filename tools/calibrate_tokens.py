"""Writes src/gapura/providers/data/tokens.toml: how many tokens a vendor makes of each kind of sign, and the error.

    python tools/calibrate_tokens.py FOLDER…

Needs litellm (OpenAI's vocabulary), dashscope (Qwen's), tiktoken and numpy.  FOLDER holds texts, `*.txt`, `*.html` and
`*.gz`, in as many languages as can be had.  The shipped numbers are of the Debian Reference (debian-reference-en,
-zh-cn, -id, -ja), of manual pages in German, French, Portuguese, Russian, Korean and Turkish, and of JSON made of the
first.  Half of the pieces fit the numbers, the other half judges them.
"""

import gzip
import html
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gapura.providers.vocabularies import vocabulary
from gapura.wire.tokens import KINDS, kinds

TARGET = Path(__file__).parents[1] / "src/gapura/providers/data/tokens.toml"
PIECE = 1500
MOST = 400  # pieces of one language


def texts(folders: list[Path]) -> dict[str, list[str]]:
    """Language, as the name tells (`ch01.zh-cn.html`, `ru/ls.1.gz`) → pieces of its text."""
    found: dict[str, str] = {}
    for file in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        text = raw.decode("utf-8", "replace")
        named = re.search(r"\.([a-z]{2}(?:-[a-z]{2})?)\.html$", file.name)
        language = named[1] if named else file.parents[1].name
        if file.suffix == ".html":
            text = html.unescape(re.sub(r"<[^>]+>", "", text))
        text = re.sub(r"[ \t]+", " ", re.sub(r"^\.\\?\".*$|^\.[A-Z]{1,2} ?", "", text, flags=re.MULTILINE))
        found[language] = found.get(language, "") + text
    cut = {name: [text[n : n + PIECE] for n in range(0, len(text) - PIECE, PIECE)] for name, text in found.items()}
    return {name: pieces[:: max(1, len(pieces) // MOST)][:MOST] for name, pieces in cut.items() if len(pieces) > 1}


def as_json(pieces: list[str]) -> list[str]:
    """What programs send: short values, names, numbers."""
    made = []
    for piece in pieces:
        lines = [line.strip() for line in piece.splitlines() if line.strip()]
        rows = [{"id": n * 37, "name": line[:40], "price": n * 1.25, "new": n % 2 == 0} for n, line in enumerate(lines)]
        made.append(json.dumps(rows, ensure_ascii=False))
    return made


def main() -> None:
    found = texts([Path(name) for name in sys.argv[1:]])
    found["json"] = as_json(found.get("en", [])[:200] + found.get("zh-cn", [])[:100])
    today = datetime.now(UTC).date().isoformat()  # noqa: TID251 - the date of a run
    lines = [
        "# Thousandths of a token that a vendor makes of one sign of each kind, and the band (percent of the estimate)",
        "# in which nine of ten texts lie.  Made by tools/calibrate_tokens.py from vendors' own vocabularies.",
        "",
        f'as_of = "{today}"',
        "",
    ]
    for provider in ("openai", "qwen"):
        count = vocabulary(provider)
        if count is None:
            raise SystemExit(f"no vocabulary of {provider} is installed")
        features, counted, languages = [], [], []
        for language, pieces in found.items():
            for piece in pieces:
                features.append(kinds(piece))
                counted.append(count(piece))
                languages.append(language)
        a, b = np.array(features, float), np.array(counted, float)
        fit = np.arange(len(b)) % 2 == 0
        rates = nonnegative(a[fit] / b[fit, None], np.ones(fit.sum()))
        guess = a @ rates
        ratio = b / guess * 100
        low, high = np.percentile(ratio[~fit], [5, 95])
        lines += [f"[vendors.{provider}]"]
        lines += [f"{name} = {round(rate * 1000)}" for name, rate in zip(KINDS, rates, strict=True)]
        lines += [f"low = {round(low)}", f"high = {round(high)}", ""]
        print(provider, {n: round(float(r), 3) for n, r in zip(KINDS, rates, strict=True)}, f"{low:.0f}..{high:.0f}")
        for language in found:
            mine = np.array([one == language for one in languages]) & ~fit
            print(f"   {language:8} n={mine.sum():4} ratio {np.percentile(ratio[mine], [5, 50, 95]).round()}")
    TARGET.write_text("\n".join(lines))


def nonnegative(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Least squares with no negative rate: those that come out negative are left out, one after another."""
    active = list(range(a.shape[1]))
    while True:
        solved, *_ = np.linalg.lstsq(a[:, active], b, rcond=None)
        if (solved >= 0).all():
            rates = np.zeros(a.shape[1])
            rates[active] = solved
            return rates
        active.pop(int(np.argmin(solved)))


if __name__ == "__main__":
    main()
