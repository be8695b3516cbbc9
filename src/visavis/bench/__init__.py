"""How fast encoders are here, beside their peers, in one interleaved run."""
