"""Networks as data, and what runs them."""
