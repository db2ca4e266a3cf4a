"""Failed attempts: what each of them means, and who must act."""
