"""The vocabulary: frozen structs that every other part speaks in.  No I/O, no behaviour beyond arithmetic."""
