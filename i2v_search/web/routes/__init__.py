"""The addresses that the server answers at, by what they are about."""
