"""Speed and size, as `make bench` prints them: ratios against a peer measured in the same run, never asserted."""
