"""The networks, in pure torch: no names, no files. Each file reads beside its paper."""
