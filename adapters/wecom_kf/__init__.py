"""WeCom customer service (微信客服): customers write from WeChat to an account of the bank's WeCom; we ask for the messages."""
