"""What is asked of pictures, as data that can be edited, and a writer that needs no model."""
