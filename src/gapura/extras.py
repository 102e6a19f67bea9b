"""Packages that not everybody needs: the extras of `pyproject.toml`, and how one gets them."""


def install(extra: str) -> str:
    """What to type, for the end of a message."""
    return f"pip install 'gapura[{extra}]', or in a checkout: make extras"
