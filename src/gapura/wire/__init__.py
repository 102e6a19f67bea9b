"""Bytes ↔ terms, without I/O."""
