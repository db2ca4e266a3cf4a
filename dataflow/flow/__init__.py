"""The one loop that takes a step from its source to its file."""
