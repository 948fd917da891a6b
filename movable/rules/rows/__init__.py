"""The table of rules, row by row."""
