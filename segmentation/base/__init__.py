"""What every room stands on: files that appear whole, devices, costs, interruptions."""
