"""Persistence: files, the storage steps, the journal."""
