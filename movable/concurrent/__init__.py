"""Several tasks at once: small scenarios, every interleaving of them, and sequential witnesses for what they answered."""
