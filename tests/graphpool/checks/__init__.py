"""What each public name is checked for, on every edge case."""
