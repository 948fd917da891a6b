"""The stream of events, read: what has become of every page and task so far, and which checks each event goes to."""
