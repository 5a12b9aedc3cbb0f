"""Commands with commands of their own, one module each; `cli` holds the others."""
