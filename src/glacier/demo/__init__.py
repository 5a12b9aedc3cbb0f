"""`glacier demo`: a data set, a pipeline over it, and a tour of what Glacier shows of a run."""
