"""Images that are the same picture: the same file, the same pixels, or nearly the same drawing."""
