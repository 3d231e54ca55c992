"""The fast engine: graphs for ONNX Runtime, without torch or transformers."""
