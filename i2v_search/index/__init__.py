"""Nearest neighbours among the rows of a feature store. FAISS is used in this package and nowhere else."""
