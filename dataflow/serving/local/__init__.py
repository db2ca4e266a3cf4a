"""A serving of models on this machine: find and check a checkpoint, load it, run batches."""
