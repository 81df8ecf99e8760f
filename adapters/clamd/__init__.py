"""ClamAV's daemon: looks for malware in what customers attach."""
