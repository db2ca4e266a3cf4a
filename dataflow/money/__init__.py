"""Reads prices and the tokens of replies, computes costs, and keeps a run below the user's limit."""
