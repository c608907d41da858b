"""Methods that find a path between two images."""
