"""Photos on the way in: found, decoded, and decoded ahead."""
