"""What a decoder layer computes with LoRA around frozen weights, in fewer and cheaper passes over memory.

The layers stay transformers' and PEFT's; `speed_up` replaces the `forward` of those whose formula is known to the
letter and leaves every other one as it is. The results are the same up to rounding, tests hold that:

- LoRA: one function instead of casts of the whole input to float32 and back, and the products by the low-rank factors
  added in place. Dropout draws 16 random bits an element, four elements a number, and is shared by projections that
  read the same input (PyTorch draws one number an element and projection, which took a tenth of a step on CPU).
- RMSNorm and SwiGLU keep the inputs for the way back and nothing in float32.
- Attention on CPU is `ruxi.model.packed_attention`.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from ruxi.model.packed_attention import PACKED_ATTENTION

_LEVELS = 1 << 16


def speed_up(model: PreTrainedModel) -> None:
    """Give the layers of a base model their faster forward passes.

    Args:
        model: A decoder with frozen weights, LoRA injected or not.
    """
    masks = _Masks()
    for module in model.modules():
        if _is_plain_lora(module):
            module.forward = MethodType(_lora_forward, module)
            module.ruxi_masks = masks
        elif _is_plain_norm(module):
            module.forward = MethodType(_norm_forward, module)
        elif _is_swiglu(module):
            module.forward = MethodType(_swiglu_forward, module)
    # Models that know nothing but their own attention keep it.
    if getattr(model, "_supports_attention_backend", False) and model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(PACKED_ATTENTION)


class _Masks:
    """Dropout masks, drawn once for all projections of the same input."""

    def __init__(self) -> None:
        self._input: Tensor | None = None
        self._share = -1.0
        self._mask: Tensor | None = None

    def of(self, states: Tensor, share: float) -> Tensor:
        """1 for elements that stay, int8, of the shape of `states`."""
        if self._mask is None or self._input is not states or self._share != share:
            self._input, self._share = states, share
            self._mask = _draw(states, share)
        return self._mask


def _draw(states: Tensor, share: float) -> Tensor:
    count = states.numel()
    numbers = torch.empty((count + 3) // 4, dtype=torch.int64, device=states.device)
    numbers.random_(-(1 << 63), None)
    stays = numbers.view(torch.int16)[:count] >= round(share * _LEVELS) - _LEVELS // 2
    return stays.view(torch.int8).view(states.shape)


def _is_plain_lora(module: Any) -> bool:
    """LoRA of one adapter around a frozen linear layer, without variants."""
    from peft.tuners.lora import Linear

    if type(module) is not Linear or type(module.base_layer) is not nn.Linear or len(module.lora_A) != 1:
        return False
    (name,) = module.lora_A
    frozen = not any(p.requires_grad for p in module.base_layer.parameters())
    plain = name not in module.lora_variant and module.lora_A[name].bias is None and module.lora_B[name].bias is None
    return bool(frozen and plain and not module.fan_in_fan_out)


def _lora_forward(self: Any, states: Tensor, *args: Any, **options: Any) -> Tensor:
    if self.disable_adapters or self.merged or args or options:
        usual: Tensor = type(self).forward(self, states, *args, **options)
        return usual
    (name,) = self.lora_A
    base, down, up = self.base_layer, self.lora_A[name].weight, self.lora_B[name].weight
    share = getattr(self.lora_dropout[name], "p", 0.0) if self.training else 0.0
    mask = self.ruxi_masks.of(states, share) if share else None
    scale = self.scaling[name]
    out: Tensor = _Lora.apply(states, base.weight, base.bias, down, up, mask, scale, 1.0 / (1.0 - share))
    return out


class _Lora(torch.autograd.Function):
    """y = x W^T + b + s (m x / (1 - p)) A^T B^T, with W and b frozen."""

    @staticmethod
    def forward(
        context: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        mask: Tensor | None,
        scale: float,
        stretch: float,
    ) -> Tensor:
        flat = states.to(weight.dtype).flatten(0, -2)
        out = F.linear(flat, weight, bias)
        dropped = flat if mask is None else flat * mask.flatten(0, -2)
        low = dropped @ down.to(flat.dtype).T
        out.addmm_(low, up.to(flat.dtype).T, alpha=scale * stretch)
        context.save_for_backward(flat, weight, down, up, low, mask)
        context.scale = scale * stretch
        context.given = states.dtype
        return out.view(*states.shape[:-1], -1)

    @staticmethod
    def backward(context: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        flat, weight, down, up, low, mask = context.saved_tensors
        slope = upstream[0].to(flat.dtype).flatten(0, -2)
        low_slope = (slope @ up.to(flat.dtype)).mul_(context.scale)
        dropped = flat if mask is None else flat * mask.flatten(0, -2)
        down_slope = low_slope.T @ dropped
        # Written the other way round because oneDNN is twice as fast on the wide product.
        up_slope = (low.T @ slope).T.to(up.dtype).mul_(context.scale)
        states_slope = None
        if context.needs_input_grad[0]:
            states_slope = slope @ weight
            if mask is None:
                states_slope.addmm_(low_slope, down.to(flat.dtype))
            else:
                states_slope.add_((low_slope @ down.to(flat.dtype)).mul_(mask.flatten(0, -2)))
            states_slope = states_slope.to(context.given).view(*upstream[0].shape[:-1], -1)
        return states_slope, None, None, down_slope.to(down.dtype), up_slope, None, None, None


def _is_plain_norm(module: nn.Module) -> bool:
    """The RMSNorm of Llama, Mistral and Qwen: the weight times the normed states. Gemma's differs."""
    known = ("LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm")
    return type(module).__name__ in known and not any(p.requires_grad for p in module.parameters())


def _norm_forward(self: Any, states: Tensor) -> Tensor:
    out: Tensor = _Norm.apply(states, self.weight, self.variance_epsilon)
    return out


class _Norm(torch.autograd.Function):
    """y = w x / sqrt(mean(x^2) + eps), with w frozen."""

    @staticmethod
    def forward(context: Any, states: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        wide = states.float()
        factor = torch.rsqrt(torch.linalg.vecdot(wide, wide)[..., None].div_(states.shape[-1]).add_(epsilon))
        context.save_for_backward(states, weight, factor)
        return wide.mul(factor).to(states.dtype) * weight

    @staticmethod
    def backward(context: Any, *upstream: Tensor) -> tuple[Tensor | None, None, None]:
        states, weight, factor = context.saved_tensors
        slope = (upstream[0] * weight).float()
        wide = states.float()
        along = torch.linalg.vecdot(slope, wide)[..., None] * factor.pow(3) / states.shape[-1]
        return slope.mul_(factor).addcmul_(wide, along, value=-1.0).to(states.dtype), None, None


def _is_swiglu(module: nn.Module) -> bool:
    parts = {name for name, _ in module.named_children()}
    activation = getattr(module, "act_fn", None)
    silu = isinstance(activation, nn.SiLU) or type(activation).__name__ == "SiLUActivation"
    return type(module).__name__ in ("LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP") and silu and len(parts) == 4


def _swiglu_forward(self: Any, states: Tensor) -> Tensor:
    out: Tensor = self.down_proj(_SwiGlu.apply(self.gate_proj(states), self.up_proj(states)))
    return out


class _SwiGlu(torch.autograd.Function):
    """y = silu(g) u."""

    @staticmethod
    def forward(context: Any, gate: Tensor, up: Tensor) -> Tensor:
        context.save_for_backward(gate, up)
        product: Tensor = F.silu(gate).mul_(up)
        return product

    @staticmethod
    def backward(context: Any, *upstream: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = context.saved_tensors
        slope = upstream[0]
        return torch.ops.aten.silu_backward(slope * up, gate), F.silu(gate).mul_(slope)
