"""Access and rate limits of the server."""
