"""A compressed block device in memory on top of zsmalloc, and what a real one did, played back."""
