"""Readers of weight files: Caffe, PyTorch, Chainer, ONNX."""
