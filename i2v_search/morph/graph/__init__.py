"""The graph of nearest neighbours that morphs walk on."""
