"""What runs without a key, a GPU or a download, so that a pipeline can be seen working first."""
