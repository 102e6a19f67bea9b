"""The data plane in a process: sockets, the link to the keeper, purses, and the clockwork around the request river."""
