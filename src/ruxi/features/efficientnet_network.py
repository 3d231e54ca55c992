"""The EfficientNet-Lite0 network, written so that its state dict is the published file, key by key.

A MobileNet-style stack without squeeze-and-excitation and with ReLU6 (Tan and Le 2019, arXiv:1905.11946; the
EfficientNet-Lite release of 2020). The weights were trained in TensorFlow: hence the batch-norm epsilon of 1e-3, and
`SAME` padding, which puts the odd pixel of a strided convolution after the picture instead of before it. The leading
underscores of the submodules are the file's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EPSILON = 1e-3

# (repeats, kernel, stride of the first, expansion, input channels, output channels) of each stage.
_STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


class SameConv2d(nn.Conv2d):
    """A convolution without bias and with TensorFlow's `SAME` padding; sides must be multiples of the stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)
        total = kernel - stride if kernel > 1 else 0
        before = total // 2
        self._pad = (before, total - before, before, total - before)

    def forward(self, input: Tensor) -> Tensor:  # the parameter's name is the base class's
        """Convolve `[batch, channels, height, width]`."""
        return super().forward(F.pad(input, self._pad) if any(self._pad) else input)


class InvertedResidual(nn.Module):
    """Widen, convolve each channel by itself, narrow; add the input where the shape is kept."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        if expansion != 1:
            self._expand_conv = SameConv2d(inputs, inner, 1)
            self._bn0 = nn.BatchNorm2d(inner, eps=_EPSILON)
        self._depthwise_conv = SameConv2d(inner, inner, kernel, stride, groups=inner)
        self._bn1 = nn.BatchNorm2d(inner, eps=_EPSILON)
        self._project_conv = SameConv2d(inner, outputs, 1)
        self._bn2 = nn.BatchNorm2d(outputs, eps=_EPSILON)
        self._expands = expansion != 1
        self._skips = stride == 1 and inputs == outputs

    def forward(self, hidden: Tensor) -> Tensor:
        """Map `[batch, inputs, height, width]` to `[batch, outputs, height / stride, width / stride]`."""
        wide = F.relu6(self._bn0(self._expand_conv(hidden))) if self._expands else hidden
        wide = F.relu6(self._bn1(self._depthwise_conv(wide)))
        narrow: Tensor = self._bn2(self._project_conv(wide))
        return narrow + hidden if self._skips else narrow


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 for 224 x 224 pictures and the 1000 classes of ImageNet-1k."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, 32, 3, stride=2)
        self._bn0 = nn.BatchNorm2d(32, eps=_EPSILON)
        self._blocks = nn.ModuleList(
            InvertedResidual(
                inputs if repeat == 0 else outputs, outputs, kernel, stride if repeat == 0 else 1, expansion
            )
            for repeats, kernel, stride, expansion, inputs, outputs in _STAGES
            for repeat in range(repeats)
        )
        self._conv_head = SameConv2d(320, 1280, 1)
        self._bn1 = nn.BatchNorm2d(1280, eps=_EPSILON)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Features and class scores of a batch of pictures.

        Args:
            pixels: `[batch, 3, 224, 224]`, (pixel - 127) / 128.

        Returns:
            The grid after the head convolution, `[batch, 1280, 7, 7]`, and the logits, `[batch, 1000]`.
        """
        hidden = F.relu6(self._bn0(self._conv_stem(pixels)))
        for block in self._blocks:
            hidden = block(hidden)
        grid = F.relu6(self._bn1(self._conv_head(hidden)))
        return grid, self._fc(torch.mean(grid, dim=(2, 3)))
