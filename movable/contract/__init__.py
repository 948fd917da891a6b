"""The contract between the memory manager and drivers of movable pages: its rules, and who watches that they are kept."""
