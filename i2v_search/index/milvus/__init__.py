"""Work for more than one machine: shards and Ray for extraction, Milvus for search."""
