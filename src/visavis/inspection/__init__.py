"""Networks taken apart: parameters and cost."""
