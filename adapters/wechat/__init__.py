"""WeChat official accounts (公众号): customers' messages come in, the number goes back in the passive reply."""
