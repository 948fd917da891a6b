"""What is wrong with an execution that ended well: data races, lock order."""
