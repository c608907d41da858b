"""The command line: a thin skin over `i2v_search.Collection`."""
