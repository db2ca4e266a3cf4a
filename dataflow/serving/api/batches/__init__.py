"""Half-price answers: many requests in one file at the provider, fetched when the file is done."""
