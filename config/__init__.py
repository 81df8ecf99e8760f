"""What a bank changes without touching code: typed settings and tables."""
