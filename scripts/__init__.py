"""What makes things that the project ships: the sample, pictures of the page, the weights of `lite`."""
