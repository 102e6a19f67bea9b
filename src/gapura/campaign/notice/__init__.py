"""One notice on its way: who gets it, what it says, what came of it, and who counts as told by that."""
