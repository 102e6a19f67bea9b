"""The second river: survey → select → compose → schedule → deliver → track → act.

Each stage knows the store and the terms, and no other stage; `pipeline` walks them.  `plan` is what they are told:
which notice is due when, as functions of values and of the time.
"""
