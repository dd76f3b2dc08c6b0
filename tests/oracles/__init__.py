"""What the operators are compared with: literal formulas and other people's libraries."""
