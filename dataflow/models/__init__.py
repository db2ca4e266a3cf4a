"""Checkpoints: from the hub or a folder, whole, and known by their content."""
