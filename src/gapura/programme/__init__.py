"""The fourth river: a vendor's programme for those who come over to it.

    offer → claim → vet → grant → watch

`pipeline` walks it over the store; the stages are pure, and none knows another.
"""
