"""The call centre: transcripts pushed over HTTP or imported from files."""
