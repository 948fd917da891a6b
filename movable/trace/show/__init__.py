"""Verdicts, summaries and pictures of a trace."""
