"""Which scenarios a driver is put through: its states, what each operation does alone, and what no schedule governs."""
