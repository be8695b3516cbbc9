"""What in an image made a network say so: maps of relevance, and tests that tell which maps to believe."""
