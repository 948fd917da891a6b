"""The rules of the contract: a table, and small automata over events that judge them, one file for each theme.

A check has one method for each kind of event that it looks at, called by that name. ``Check`` says what they share.
"""
