"""Historic bugs, each as a small broken driver beside a twin that is right."""
