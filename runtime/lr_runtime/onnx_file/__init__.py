"""An ONNX file: read byte by byte, checked, and only then given to ONNX Runtime."""
