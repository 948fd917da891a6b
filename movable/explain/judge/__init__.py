"""What follows from what was read: the size of a page, why a request failed, and what the figures of tools say."""
