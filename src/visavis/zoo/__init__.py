"""From a name or a file to an encoder: catalogue, checkpoints, tokenizer, preprocessing."""
