"""Which task runs next: one file for each strategy."""
