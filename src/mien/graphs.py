"""What a network file may hold, seen without the package ``onnx``: computation, and nothing that hides or repeats it.

A file may come from a stranger. Loops, branches, functions, operators of others, and tensors that lie in other files
are refused before ONNX Runtime sees it. docs/security.md says what this does not keep out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mien.errors import ModelError

# domain → operators. All that mien's exporters and ONNX Runtime's quantizer write, and their plain relatives.
_KNOWN = {
    "": """
        Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization BitShift Cast CastLike
        Ceil Celu Clip Concat Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace
        DequantizeLinear Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand Flatten Floor GRU Gather
        GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GroupNormalization
        HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu
        Less LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max MaxPool Mean
        MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul
        QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
        ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round ScatterElements ScatterND
        Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub
        Sum Swish Tan Tanh TfIdfVectorizer ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Where Xor
    """,
    "com.microsoft": """
        Attention BiasGelu BiasSoftmax DequantizeLinear DynamicQuantizeLSTM DynamicQuantizeMatMul
        EmbedLayerNormalization FastGelu FusedConv FusedGemm FusedMatMul Gelu GroupQueryAttention MatMulInteger16
        MatMulIntegerToFloat MatMulNBits MultiHeadAttention QAttention QEmbedLayerNormalization QGemm QLinearAdd
        QLinearAveragePool QLinearConcat QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean
        QLinearSigmoid QLinearSoftmax QuantizeLinear QuickGelu SimplifiedLayerNormalization SkipLayerNormalization
        SkipSimplifiedLayerNormalization
    """,
    "ai.onnx.ml": """
        ArrayFeatureExtractor Binarizer FeatureVectorizer Imputer LinearClassifier LinearRegressor Normalizer
        SVMClassifier SVMRegressor Scaler TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor ZipMap
    """,
}
OPERATORS = {domain: frozenset(names.split()) for domain, names in _KNOWN.items()}
OPERATORS["ai.onnx"] = OPERATORS[""]

# Numbers of fields in onnx.proto.
_GRAPH, _TRAINING, _FUNCTIONS = 7, 20, 25  # ModelProto
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15  # GraphProto
_KIND, _ATTRIBUTE, _DOMAIN = 4, 5, 7  # NodeProto
_TENSOR, _SUBGRAPHS, _TENSORS, _SPARSES = 5, (6, 11), 10, (22, 23)  # AttributeProto
_EXTERNAL, _LOCATION = 13, 14  # TensorProto
_LENGTHS = {1: 8, 5: 4}  # wire type → bytes of its value

Field = tuple[int, int | memoryview]


def check_graph(data: bytes, name: str | Path) -> None:
    """Refuse a network that holds what none of mien's does.

    Raises:
        ModelError: one line that says what.
    """
    try:
        problem = _problem(memoryview(data))
    except (IndexError, ValueError):
        problem = "it is no ONNX file"
    if problem:
        raise ModelError(f"{name} cannot be run: {problem}")


def _problem(model: memoryview) -> str | None:
    graphs = 0
    for number, value in _fields(model):
        if number == _FUNCTIONS:
            return "it holds functions of its own, which mien's networks do not"
        if number == _TRAINING:
            return "it holds steps of training"
        if number == _GRAPH:
            graphs += 1
            if problem := _in_graph(_message(value)):
                return problem
    return None if graphs else "it holds no network"


def _in_graph(graph: memoryview) -> str | None:
    for number, value in _fields(graph):
        problem = None
        if number == _NODE:
            problem = _in_node(_message(value))
        elif number == _INITIALIZER:
            problem = _in_tensor(_message(value))
        elif number == _SPARSE:
            problem = "it holds sparse tensors"
        if problem:
            return problem
    return None


def _in_node(node: memoryview) -> str | None:
    kind, domain, problem = "", "", None
    for number, value in _fields(node):
        if number == _KIND:
            kind = bytes(_message(value)).decode()
        elif number == _DOMAIN:
            domain = bytes(_message(value)).decode()
        elif number == _ATTRIBUTE:
            problem = problem or _in_attribute(_message(value))
    if kind not in OPERATORS.get(domain, ()):
        return f"it uses the operator {f'{domain}.{kind}'.lstrip('.')[:80]!r}, which mien's networks do not"
    return problem


def _in_attribute(attribute: memoryview) -> str | None:
    for number, value in _fields(attribute):
        if number in _SUBGRAPHS:
            return "it holds networks within the network"
        if number in _SPARSES:
            return "it holds sparse tensors"
        if number in (_TENSOR, _TENSORS) and (problem := _in_tensor(_message(value))):
            return problem
    return None


def _in_tensor(tensor: memoryview) -> str | None:
    for number, value in _fields(tensor):
        if number == _EXTERNAL or (number == _LOCATION and value != 0):
            return "a part of it lies in another file, which is not checked"
    return None


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number, where a message is meant")
    return value


def _fields(message: memoryview) -> Iterator[Field]:
    """The fields of a protobuf message: number and value, of a fixed width its bytes. What is in them is passed over.

    Raises:
        ValueError, IndexError: it is none.
    """
    place, end = 0, len(message)
    while place < end:
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        value: int | memoryview
        if wire == 0:
            value, place = _varint(message, place)
        else:
            if wire == 2:
                length, place = _varint(message, place)
            else:
                length = _LENGTHS.get(wire, -1)  # groups are no longer written by anyone
            if length < 0 or length > end - place or not 0 < number < 2**29:
                raise ValueError("cut off, or no protobuf")
            value = message[place : place + length]
            place += length
        yield number, value


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
