"""Making models smaller and faster: export to graphs for the fast engine, with quantized weights.

Importing this room imports neither torch nor onnx; its functions do.
"""
