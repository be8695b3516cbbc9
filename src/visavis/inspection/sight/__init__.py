"""What networks look at, measured: how far they see, what they learnt first, what each part is worth."""
