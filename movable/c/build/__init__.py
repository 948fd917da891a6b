"""Building a driver: the compiler and its cache, what is refused before it, recipes, and what was built."""
