"""Measured as ratios inside one round against a bare handler: machines are noisy, ratios are not."""
