"""Data sets, losses, loops: what it takes to train an encoder of one's own."""
