"""The machine: accepts, keeps, registers, forwards, notifies, sweeps. It knows no bank, no vendor and no channel."""
