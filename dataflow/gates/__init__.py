"""What two pictures say without a model: figures, and the limits that decide by them."""
