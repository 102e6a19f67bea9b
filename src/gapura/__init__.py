"""Gapura: a gateway for AI APIs that knows where each provider may be used.

Rivers and one lake.  Each river is a package whose stages do not know one another; rivers meet only in the
store, in the *rulebook* (what shall be) and the *record* (what was).

    request    accept → identify → locate → decide → meter → route → translate → relay → settle

Floors, from the ground up; a module imports from lower floors or from its own package:

    errors clock settings < terms < wire < atlas providers store < rulebook
        < request < gate keeper console sandbox < app < cli
"""

__version__ = "0.1.0"
