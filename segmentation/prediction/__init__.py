"""Turns the queries of a trained model into masks, maps and scores."""
