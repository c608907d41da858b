"""The feature store: vectors and what is known of each image, in HDF5 parts under one manifest.

Positions count rows over all parts, dead ones included; they are internal. Ids belong to images and never
change. A later row with the same id supersedes an earlier one, and tombstones mark rows that were removed;
what is left is live.
"""
