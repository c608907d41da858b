"""Data sets: pictures with tags, labels, groups and licences."""
