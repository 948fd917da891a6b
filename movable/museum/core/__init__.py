"""Bugs of the core, which a driver suffers from: each with the right function that takes its place in the twin."""
