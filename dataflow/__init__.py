"""Synthesise image-editing training data: operators chained over cached jsonl steps.

Importing this package loads nothing heavy: torch, diffusers, pandas and the API client are
imported by the code that needs them, when it needs them.
"""

__version__ = "0.1.0"
