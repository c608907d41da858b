"""Pictures for people: contact sheets, strips, animations and maps of a collection."""
