"""台账: the embedded system of record, for a bank that has none yet (or wants a second book)."""
