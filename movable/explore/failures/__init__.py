"""A failure made small, written down as a token, and told step by step."""
