"""The hot path: one parse, one commit, one reply. Nothing else runs before the 2xx."""
