"""Find, download, check and identify checkpoints, from a folder or the Hugging Face hub."""
