"""Building: images become a collection's features, index and graph, and change with its folder."""
