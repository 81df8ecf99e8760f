"""The branch page 行长秘书: a code on the counter, a page in the customer's phone."""
