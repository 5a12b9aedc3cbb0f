"""Results of tasks kept from run to run: their keys, where they lie, when they go, why one was computed anew."""
