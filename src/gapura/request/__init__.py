"""A request's way through the gate.

    accept → identify → locate → decide → meter → route → translate → relay → settle

`pipeline.serve` walks it from left to right.  Every stage is one module with one entry point, takes what the
stages before it found out, and returns one value.  No stage imports another; what two stages share lives in
`gapura.terms`.
"""
