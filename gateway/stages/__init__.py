"""After the 2xx: each stage claims committed rows, works, and commits what came of it."""
