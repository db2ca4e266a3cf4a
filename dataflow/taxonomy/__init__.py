"""The operations of edits, as data that users can edit, and the prompts and answers of writers."""
