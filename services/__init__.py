"""The four services and the console. None imports another."""
