"""How a driver is kept busy: what its author says of it, and the actions that follow."""
