"""Counts texts with a vendor's vocabulary: vocabulary_program.py PROVIDER SITE-PACKAGES TEXTS."""

import json
import sys
import warnings

provider, site, texts = sys.argv[1:]
sys.path.append(site)  # behind our own, so that only what we lack comes from there
warnings.simplefilter("ignore")

from gapura.providers.vocabularies import vocabulary  # noqa: E402 - after the path

count = vocabulary(provider)
print(json.dumps([count(text) for text in json.loads(texts)] if count else None))  # noqa: T201 - the answer
