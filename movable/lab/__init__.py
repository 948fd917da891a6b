"""Experiments: what a researcher, a teacher or a newcomer runs and looks at."""
