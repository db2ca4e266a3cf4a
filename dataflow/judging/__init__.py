"""What a judge is asked about an edit, how its answers are read, and what follows from them."""
