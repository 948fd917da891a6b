"""Programs of one task: a driver under drawn operations and faults, watched by a model of what must be readable."""
