"""Photos on the way in: what is found, what is decoded, and to which colours."""
