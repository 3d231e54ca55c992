"""Building ONNX graphs by hand: nodes, weights beside the graph, and matrices in any precision.

Weights go to one data file as they come, so that a graph of any size needs no more memory than its largest matrix, and
several graphs can share them. Graphs are written for ONNX Runtime: operators of the domain `com.microsoft` are its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ruxi import files
from ruxi.compress.quantize import Quantization, QuantizedMatrix, quantize

FLOAT, INT32, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL
Array = npt.NDArray[Any]
Dimension = int | str

_OPSET, _IR_VERSION = 21, 10
_MICROSOFT = "com.microsoft"
_ALIGNMENT = 4096
_SMALL = 1024


class WeightFile:
    """Weights of one or several graphs in a file beside them.

    Args:
        file: Open for writing, at its beginning.
        location: Its name, as the graphs refer to it.
    """

    def __init__(self, file: BinaryIO, location: str) -> None:
        self._file = file
        self._location = location
        self._offset = 0
        self._places: dict[str, tuple[int, int]] = {}
        self.tables: dict[str, QuantizedMatrix] = {}  # by name; graphs that share the file share them

    def tensor(self, name: str, array: Array) -> TensorProto:
        """A tensor that lies in the file; equal bytes are written once."""
        array = np.ascontiguousarray(array)
        data = array.tobytes()
        digest = files.sha256_of_bytes(data)
        if digest not in self._places:
            padding = -self._offset % _ALIGNMENT
            self._file.write(b"\0" * padding)
            self._file.write(data)
            self._places[digest] = (self._offset + padding, len(data))
            self._offset += padding + len(data)
        offset, length = self._places[digest]
        tensor = TensorProto(
            name=name,
            dims=array.shape,
            data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
            data_location=TensorProto.EXTERNAL,
        )
        for key, value in (("location", self._location), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor


class Graph:
    """A graph under construction, or the body of one branch in another graph.

    Args:
        name: Its name.
        weights: Where large weights go; None keeps them in the graph.
        parent: The graph whose values and weights a branch uses.
    """

    def __init__(self, name: str, weights: WeightFile | None = None, parent: Graph | None = None) -> None:
        self.name = name
        self._weights = weights
        self._root: Graph = self if parent is None else parent._root
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._initializers: dict[str, TensorProto] = {}
        self._tables: dict[str, QuantizedMatrix] = {} if weights is None else weights.tables
        self._count = 0

    def input(self, name: str, kind: int, shape: Sequence[Dimension]) -> str:
        """Declare an input."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str, kind: int, shape: Sequence[Dimension]) -> None:
        """Give a value out under a name."""
        if value != name:
            self.node("Identity", value, outputs=[name])
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def node(self, op: str, *inputs: str, outputs: int | Sequence[str] = 1, **attributes: Any) -> Any:
        """Add a node.

        Args:
            op: Its operator; `ms:NAME` for ONNX Runtime's own.
            inputs: Names of its inputs; "" for one that is left out.
            outputs: How many outputs, or their names.
            attributes: Its attributes.

        Returns:
            The name of its output, or a list of names when there are several.
        """
        domain = _MICROSOFT if op.startswith("ms:") else ""
        op = op.removeprefix("ms:")
        self._root._count += 1
        label = f"{op}_{self._root._count}"
        names = [f"{label}_{i}" if i else label for i in range(outputs)] if isinstance(outputs, int) else list(outputs)
        self._nodes.append(helper.make_node(op, list(inputs), names, name=label, domain=domain, **attributes))
        return names[0] if len(names) == 1 else names

    def constant(self, value: Array, name: str | None = None) -> str:
        """A weight or a constant, kept in the root graph; a name that is there already is used again."""
        root = self._root
        if name is None:
            name = f"constant_{files.sha256_of_bytes(str((value.dtype, value.shape)).encode() + value.tobytes())[:16]}"
        if name not in root._initializers:
            large = value.nbytes > _SMALL and root._weights is not None
            stored = (
                root._weights.tensor(name, value) if large and root._weights else numpy_helper.from_array(value, name)
            )
            root._initializers[name] = stored
        return name

    def integers(self, *values: int) -> str:
        """A constant vector of int64."""
        return self.constant(np.asarray(values, dtype=np.int64))

    def number(self, value: float) -> str:
        """A constant scalar of float32."""
        return self.constant(np.asarray(value, dtype=np.float32))

    def linear(
        self,
        x: str,
        name: str,
        weight: Array,
        bias: Array | None = None,
        precision: Quantization | None = None,
        moments: Array | None = None,
    ) -> str:
        """Multiply by a matrix and add a bias.

        Args:
            x: `[..., in]`.
            name: Name of the weight.
            weight: `[out, in]`.
            bias: `[out]`.
            precision: How the weight is stored; None for float32.
            moments: Second moments of x, for calibrated rounding.
        """
        added = "" if bias is None else self.constant(bias, f"{name}.bias")
        if precision is None:
            product: str = self.node("MatMul", x, self.constant(np.ascontiguousarray(weight.T), f"{name}.weight"))
            return self.node("Add", product, added) if added else product
        matrix = self._root._tables.get(name) or quantize(weight, precision, moments)
        zero_points = "" if matrix.zero_points is None else self.constant(matrix.zero_points, f"{name}.zero_points")
        result: str = self.node(
            "ms:MatMulNBits",
            x,
            self.constant(matrix.packed, f"{name}.packed"),
            self.constant(matrix.scales, f"{name}.scales"),
            zero_points,
            "",
            added,
            K=weight.shape[1],
            N=weight.shape[0],
            bits=precision.bits,
            block_size=precision.block,
            accuracy_level=4,
        )
        return result

    def rows(self, ids: str, name: str, table: Array, precision: Quantization | None) -> str:
        """Rows of a table by their indices: an embedding.

        Args:
            ids: int64, any shape.
            name: Name of the table; a later matrix of that name is the same one.
            table: `[rows, width]`.
            precision: How the table is stored.
        """
        if precision is None:
            found: str = self.node("Gather", self.constant(table, f"{name}.table"), ids)
            return found
        tables = self._root._tables
        if name not in tables:
            tables[name] = quantize(table, precision)
        matrix = tables[name]
        flat = matrix.packed.reshape(len(table), -1)
        zero_points = []
        if matrix.zero_points is not None:
            zero_points = [self.constant(matrix.zero_points, f"{name}.zero_points")]
        found = self.node(
            "ms:GatherBlockQuantized",
            self.constant(flat, f"{name}.table"),
            ids,
            self.constant(matrix.scales, f"{name}.scales"),
            *zero_points,
            bits=precision.bits,
            block_size=precision.block,
            gather_axis=0,
            quantize_axis=1,
        )
        width = table.shape[1]
        if width % precision.block:  # the last block is padded
            found = self.node("Slice", found, self.integers(0), self.integers(width), self.integers(-1))
        return found

    def residual_norm(self, hidden: str, added: str | None, gains: Array, name: str, epsilon: float) -> tuple[str, str]:
        """RMSNorm of `hidden + added` with these gains, and that sum."""
        weight = self.constant(gains, f"{name}.weight")
        if added is None:
            normed = self.node("SimplifiedLayerNormalization", hidden, weight, axis=-1, epsilon=epsilon, stash_type=1)
            return normed, hidden
        normed, _, _, total = self.node(
            "ms:SkipSimplifiedLayerNormalization", hidden, added, weight, outputs=4, epsilon=epsilon
        )
        return normed, total

    def branch(self, name: str) -> Graph:
        """The body of a branch of `If`; it sees the values and weights of this graph."""
        return Graph(name, parent=self)

    def either(self, condition: str, yes: Graph, no: Graph, outputs: int) -> Any:
        """One of two branches, by a scalar boolean."""
        return self.node("If", condition, outputs=outputs, then_branch=yes._body(), else_branch=no._body())

    def save(self, path: Path) -> None:
        """Check the graph and write it."""
        model = helper.make_model(
            self._body(),
            opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)],
            ir_version=_IR_VERSION,
            producer_name="ruxi",
        )
        files.write_bytes(path, model.SerializeToString())

    def _body(self) -> onnx.GraphProto:
        return helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, initializer=list(self._initializers.values())
        )


def weights_of(state: Mapping[str, Any]) -> dict[str, Array]:
    """A torch state dict as float32 arrays."""
    return {name: tensor.detach().float().cpu().numpy() for name, tensor in state.items()}
