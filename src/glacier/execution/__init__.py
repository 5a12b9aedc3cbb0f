"""From a graph to values: who runs when (`scheduler`), what happens to frames between tasks, who is told."""
