"""Pictures from pictures: cards, sheets and strips of them; nothing here knows of collections."""
