"""Any system of record that takes signed JSON over HTTP (Standard Webhooks)."""
