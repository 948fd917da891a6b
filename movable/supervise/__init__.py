"""Runs code that may do anything in a process of its own: processes, pipes, limits and signals, and nothing of pages.

The process that a person started keeps a *keeper*, a fork of itself that knows the kit and no driver. The keeper forks a *worker*
for each stretch of work. A worker tells what it finds in lines of JSON, and where it is in a page of shared memory; whatever
becomes of it, the supervisor knows how it ended and in the middle of what.
"""
