"""A failing execution made readable: its story, its timeline, what its tasks saw, and its schedule run again."""
