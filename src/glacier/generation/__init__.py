"""From a pipeline to a folder of infrastructure: what is generated, what of it has changed, and the writing of it."""
