"""Images, labels and captions: readers, decoding, views and the embedded emoji set."""
