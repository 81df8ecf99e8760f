"""Where nothing is lost."""
