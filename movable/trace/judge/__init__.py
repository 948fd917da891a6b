"""The rules asked about a trace."""
