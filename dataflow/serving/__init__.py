"""Servings: what answers requests, behind one contract."""
