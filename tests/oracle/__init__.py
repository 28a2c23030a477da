"""What must come out, worked out a second time and another way: nothing here imports the code that it judges."""
