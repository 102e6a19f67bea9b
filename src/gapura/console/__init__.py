"""The admin API: `/api/v1` on the keeper's admin port and on its Unix socket.

    guard → operations → a noun → the store

guard        whose request this is: host, origin, token
operations   the route table: a path, a permission, a function; bytes ↔ structs at one place
problems     how an error is said
openapi      the route table as a document

accounts keys principals policies routes usage records audit backup status: one module a noun.
"""
