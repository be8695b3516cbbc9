"""Files of weights: what they are, what they lack, and the known traps of loading."""
