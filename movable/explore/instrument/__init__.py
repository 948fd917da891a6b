"""Scheduling points in plain Python: attributes, containers, buffers, opcodes."""
