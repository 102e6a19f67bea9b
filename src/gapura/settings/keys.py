"""The providers' keys: from the environment or from files, never from gapura.toml itself.

DEEPSEEK_API_KEY, DEEPSEEK_API_KEY_FILE                       the provider `deepseek`, unless its table says:
[providers.NAME]  key_variable = "TEAM_API_KEY"               another variable (or that with _FILE behind it)
                  key_file = "/run/secrets/name"              a file
                  keyless = true                              the server wants none
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gapura.settings.bad import BadSetting
from gapura.settings.declared import PREFIX, PROVIDER_VARIABLES, Secret

# Only such variables are ever sent to a provider, so that a slip in a file does not send something else of ours.
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*_API_KEY")

Read = Callable[[Any, str, Path], str]


def provider_keys(environ: Mapping[str, str], tables: Any, folder: Path, read: Read) -> dict[str, Secret]:
    """Provider → its key, "" where it wants none; one without a key is not there.  `tables` is `[providers]`; what is
    no table is left to those who read the rest of it.  `read` gives the secret in a file.  Raises BadSetting."""
    stated = {name: table for name, table in tables.items() if isinstance(table, Mapping)} if tables else {}
    keys: dict[str, Secret] = {}
    for provider in dict.fromkeys([*PROVIDER_VARIABLES, *stated]):
        where, table = f"providers.{provider}", stated.get(provider, {})
        for name in ("key", "api_key", "secret", "token"):
            if name in table:
                raise BadSetting(f"{where}.{name}: a key does not belong into a file of rules; see {where}.key_file")
        variable = _variable(provider, table, where)
        text = _key(environ, table, variable, lambda named, label: read(named, label, folder))
        if table.get("keyless") is True:
            if text:
                raise BadSetting(f"{where}.keyless: there is a key for it; leave out one of both")
            keys[provider] = Secret("")
        elif text:
            keys[provider] = Secret(text)
    return keys


def default_variable(provider: str) -> str:
    """As `LLAMA_CPP_API_KEY` for `llama.cpp`."""
    return PROVIDER_VARIABLES.get(provider, re.sub(r"[^A-Z0-9]+", "_", provider.upper()).strip("_")) + "_API_KEY"


def _variable(provider: str, table: Mapping[str, Any], where: str) -> str:
    variable = table.get("key_variable", default_variable(provider))
    if not isinstance(variable, str) or not VARIABLE.fullmatch(variable) or variable.startswith(PREFIX):
        if "key_variable" not in table:
            return ""  # a name from which no variable can be made
        raise BadSetting(
            f"{where}.key_variable: expected the name of a variable that ends in _API_KEY, as TEAM_API_KEY"
        )
    return variable


def _key(environ: Mapping[str, str], table: Mapping[str, Any], variable: str, read: Callable[[Any, str], str]) -> str:
    direct, named = environ.get(variable, "").strip(), environ.get(f"{variable}_FILE", "").strip()
    file = table.get("key_file", "")
    if len([given for given in (direct, named, file) if given]) > 1:
        raise BadSetting(f"{variable}: both the secret and a file for it are given; give one")
    text = read(named or file, variable) if named or file else direct
    if not re.fullmatch(r"[!-~]*", text):
        raise BadSetting(f"{variable}: holds characters that cannot stand in a header")
    return text
