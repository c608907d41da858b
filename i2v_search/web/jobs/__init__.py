"""Work of the server: pools, uploads, thumbnails, maps, and the collection as it is now."""
