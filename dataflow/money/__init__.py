"""Prices, what was used, the user's limit, and what a run may still spend."""
