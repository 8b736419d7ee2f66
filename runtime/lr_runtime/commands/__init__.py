"""lr-infer and lr-inspect, and the habits that all four commands share."""
