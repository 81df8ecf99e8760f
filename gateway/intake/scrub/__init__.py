"""What may never be stored leaves the bytes of an envelope before the store sees them, without breaking their format."""
