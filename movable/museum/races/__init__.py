"""Bugs that need two tasks, and an interruption at the wrong moment."""
