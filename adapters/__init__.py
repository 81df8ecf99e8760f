"""The outside: one folder per party. Folders do not know each other; the machine loads them by name."""
