"""Work of the server: pools, uploads, thumbnails, maps, and the current collection."""
