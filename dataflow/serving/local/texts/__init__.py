"""Language models that write, with and without pictures to look at."""
