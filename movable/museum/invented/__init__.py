"""Mistakes that nobody has made yet, as far as is known: each resembles one that was made."""
