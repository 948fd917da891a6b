"""Drivers that are begun, or brought to another kernel: what ``movable new`` and ``movable port`` print and write."""
