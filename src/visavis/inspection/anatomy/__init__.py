"""Networks taken apart: every layer with its shape, parameters and cost."""
