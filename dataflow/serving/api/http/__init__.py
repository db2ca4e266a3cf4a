"""HTTP: connections, the bodies of replies, and pictures that replies name by address."""
