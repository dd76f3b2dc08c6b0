"""What every room stands on: files replaced as a whole, devices, costs, interruptions, words of messages."""
