"""The published record: results and decisions that others recorded, and the user's own beside them."""
