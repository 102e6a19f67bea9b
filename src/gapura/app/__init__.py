"""The composition root: the only floor that knows all others.

home     what a start finds or makes: secret, store, first sign-in and key, sandbox or real
rules    settings and documents → the rulebook in force
gate     one gate in a process          keeper   the keeper in its process
create   both on one event loop, for tests and for embedding
"""
