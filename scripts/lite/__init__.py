"""What makes the shipped weights of `lite`: its data sets and its trainer. Not installed with the package."""
