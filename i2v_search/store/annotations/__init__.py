"""What people keep of a collection: boards, stars, notes, tags of their own, and saved searches."""
