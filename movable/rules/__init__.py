"""The rules of the contract: each is declared beside the code that judges it, a file for each theme.

A check is a small automaton over events, with one method for each kind that it looks at, called by that name; ``rule.py`` says what
checks share. ``judged_elsewhere.py`` has the rules that no event shows. ``table.py`` brings them together.
"""
