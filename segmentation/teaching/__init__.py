"""What the teacher says, and how the student is held to it."""
