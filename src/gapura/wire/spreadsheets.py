"""Tables that people open in a spreadsheet, with words in them that others have written."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: object) -> object:
    """Text that a spreadsheet would take for a formula has an apostrophe before it; numbers are as they are.

    >>> cell("=HYPERLINK(1)"), cell(-5), cell("glm-4")
    ("'=HYPERLINK(1)", -5, 'glm-4')
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
