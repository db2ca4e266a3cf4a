"""What the example pipelines share."""
