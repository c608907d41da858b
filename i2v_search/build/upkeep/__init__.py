"""What keeps a collection in order and takes it elsewhere: compact, relocate, repair, merge, export."""
