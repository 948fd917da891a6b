"""The bridge: what a real kernel's driver did, told in the events of the model and judged by the same rules."""
