"""Networks: vision transformers and what reads their tokens."""
