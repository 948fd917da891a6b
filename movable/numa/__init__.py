"""Programs of NUMA system calls: played against the model, and compared with what a real kernel answered."""
