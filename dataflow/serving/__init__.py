"""Servings: workers that answer requests, over an API or with a model on this machine."""
