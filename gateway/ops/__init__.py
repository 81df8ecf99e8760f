"""How the gateway is watched: logs, metrics, health, kill points for tests."""
