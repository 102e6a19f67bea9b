"""The lake, where the rivers meet: what shall be and what was, on one machine's disk.

base        the words that all share: Connection, StoreFailed, Conflict, rows ↔ structs
secrets     the home's secret, and everything that is derived from it
sqlite      one writer thread with group commit, many readers
steps       the schema, as a list of steps that only grows
audit       the one write path, and its chain of entries
accounts keys principals      who may call, and who may change things
directory   keys and accounts as one sorted file, mapped by every gate
backup      out and in again, under writes
"""
