"""Who may ask the server, and how much."""
