"""Between a built driver and the model: calls, memory, pages, owners, threads, and who answers what C code asks."""
