"""What an answer is worth, and whether an adapter may serve."""
