"""What the operator decides before the process starts.

declared   each setting, once     loading   read once, checked whole     keys   the providers'
reference  the page that tells of them
"""

from gapura.settings.bad import BadSetting
from gapura.settings.declared import (
    DECLARED,
    DOCUMENTS,
    FILE_NAMES,
    PREFIX,
    PROVIDER_VARIABLES,
    SECRETS,
    VARIABLE_NAMES,
    Declared,
    Secret,
    Source,
)
from gapura.settings.loading import Settings, base_url
from gapura.settings.reference import describe

__all__ = [
    "DECLARED",
    "DOCUMENTS",
    "FILE_NAMES",
    "PREFIX",
    "PROVIDER_VARIABLES",
    "SECRETS",
    "VARIABLE_NAMES",
    "BadSetting",
    "Declared",
    "Secret",
    "Settings",
    "Source",
    "base_url",
    "describe",
]
