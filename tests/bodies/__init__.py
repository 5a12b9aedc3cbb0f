"""Pipeline bodies that cover Python's statements and expressions, by subject; `tests/test_bodies.py` tries them all."""
