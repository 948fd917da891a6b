"""Recording a real kernel: probes, and the script that sets them."""
