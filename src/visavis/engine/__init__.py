"""Encoding: batches in, embeddings out, kept in a content-addressed cache."""
