"""Certifies file systems: files under random programs and in interleavings, with every operation of the plug-in looked at."""
