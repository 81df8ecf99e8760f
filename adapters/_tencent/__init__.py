"""What WeChat and WeCom have in common at their HTTP interface. No party of its own: it has no door and no settings."""
