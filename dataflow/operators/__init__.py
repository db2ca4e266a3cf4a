"""Operators, one per file, by what they work on."""
