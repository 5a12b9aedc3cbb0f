"""What a pipeline needs in a cloud, in no cloud's words: read from its graph, and told to the clouds' own modules."""
