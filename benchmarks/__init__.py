"""Who is faster, with how much memory: every comparison measured in one run, and written down with its machine."""
