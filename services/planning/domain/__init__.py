"""What planning is about, in plain Python."""
