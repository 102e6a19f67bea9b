"""Accounts' own pages: what concerns an account, what it rests on, and its objections.

    entry   who is this: a link, a key, a browser that was let in       limits   how often
    cases   what an account is shown, as values, and as JSON            pages    the same as HTML, in its language
    app     paths, headers, errors

Whoever is let in sees one account.  There are no scripts, nothing is loaded from elsewhere, and all works without both.
"""

from gapura.portal.app import Portal
from gapura.portal.entry import Door
from gapura.portal.hearing import Hearing

__all__ = ["Door", "Hearing", "Portal"]
