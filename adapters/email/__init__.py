"""E-mail: complaints come in by SMTP, LMTP and files; acknowledgements and warnings go out by SMTP."""
