"""The Open Inference Protocol v2, which clients of KServe, Triton and MLServer speak."""
