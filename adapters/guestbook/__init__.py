"""The guestbook: a page for web visitors, a JSON entry for tablets and the bank's site, and files of entries."""
