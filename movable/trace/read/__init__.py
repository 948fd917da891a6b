"""Lines of a trace become events of the model."""
