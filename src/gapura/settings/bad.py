"""What is wrong with a setting."""


class BadSetting(ValueError):
    """Names the setting as the operator wrote it, and the way out."""
