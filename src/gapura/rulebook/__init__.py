"""What shall be: from the operator's documents to a verdict.

    documents → read → Rulebook → compile → Rules → judge
                          └→ problems          └→ explain

`read` refuses what cannot be meant and names the way out; a `Rulebook` is therefore always sound.  `weigh` asks one
policy, `compile` all that guard a target, and `explain` tells how they came to it: it is the same code.
"""
