"""The web server: an HTTP API and a page over a `Collection`."""
