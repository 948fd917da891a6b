"""Correct drivers that exhibits differ from."""
