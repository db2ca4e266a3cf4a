"""What a run made, for the eye."""
