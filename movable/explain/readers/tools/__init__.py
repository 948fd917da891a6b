"""What tools print beside the kernel's own tables."""
