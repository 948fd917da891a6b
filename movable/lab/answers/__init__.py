"""What real kernels did with drivers that answer by script, played again on a machine of their era and compared event by event."""
