"""Planning: the plan of an opened case, its goals and steps, and how the case is closed and reopened."""
