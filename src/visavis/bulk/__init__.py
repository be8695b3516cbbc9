"""One model over many images: embed them into a file, search them, name them."""
