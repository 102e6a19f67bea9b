"""Address → place, with evidence.

    headers ─ proxies.client → address ─ sources.Atlas.locate → place ─ packs.pack(name).coverage → a provider's list

`ranges` holds the packed data, `special` knows the addresses that are nobody's place, `territories` the names.
"""
