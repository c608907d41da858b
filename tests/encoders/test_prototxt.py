"""A network configuration is read in both syntaxes and must describe the network the weights are for."""

from pathlib import Path

import pytest
from caffe_files import narrow, prototxt
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v_search.encoders.weights.prototxt import Configuration, LayerSettings, check_prototxt, read_prototxt
from i2v_search.errors import WeightsError

SYNTAXES = ["layer", "layers"]
MODELS = [("tag",), ("feature",), ("feature", "encode2"), ("tag", "feature")]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_layers_are_read(tmp_path: Path, syntax: str) -> None:
    weights = narrow("feature")
    found = read_prototxt(write(tmp_path / "net", prototxt(weights, syntax)))  # type: ignore[arg-type]
    assert found.name == "Illustration2Vec"
    assert found.input_shape == (1, 3, 224, 224)
    assert found.layers[:3] == (
        LayerSettings("conv1_1", "Convolution", ("data",), ("conv1_1",), num_output=2, kernel=3, pad=1),
        LayerSettings("relu1_1", "ReLU", ("conv1_1",), ("conv1_1",)),
        LayerSettings("pool1", "Pooling", ("conv1_1",), ("pool1",), kernel=2, stride=2, pool="max"),
    )
    assert found.layers[-2:] == (
        LayerSettings("encode1", "InnerProduct", ("conv6_3",), ("encode1",), num_output=6),
        LayerSettings("encode1neuron", "Sigmoid", ("encode1",), ("encode1neuron",)),
    )


def test_the_text_format_in_all_its_spellings(tmp_path: Path) -> None:
    text = """
    # a comment { that is not read }
    name : 'Il' "lu\\"s"; layer <
      name: "a", type: "Convolution" bottom: ["x", "y"]
      convolution_param: {
        num_output: 4 kernel_h: 3 kernel_w: 3 stride: 2 bias_term: false unknown_enum: [A, B]
      }
      include { phase: TRAIN } blobs_lr: 1.5e-3 blobs_lr: -.5f
    >
    layer { type: "Pooling" pooling_param { global_pooling: true pool: AVE } }
    layer { type: "Input" top: "x" input_param { shape { dim: [1, 3, 5, 5] } } }
    """
    assert read_prototxt(write(tmp_path / "net", text)) == Configuration(
        'Illu"s',
        (1, 3, 5, 5),
        (
            LayerSettings(
                "a", "Convolution", ("x", "y"), num_output=4, kernel=3, stride=2, bias=False, training=True
            ),
            LayerSettings("", "Pooling", kernel=0, pool="average"),
            LayerSettings("", "Input", tops=("x",)),
        ),
    )


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("models", MODELS)
def test_a_configuration_fits_its_weights(tmp_path: Path, models: tuple[str, ...], syntax: str) -> None:
    weights = narrow(*models)
    check_prototxt(write(tmp_path / "net", prototxt(weights, syntax)), weights)  # type: ignore[arg-type]


def test_one_head_of_two_and_a_cut_head_are_enough(tmp_path: Path) -> None:
    both = narrow("tag", "feature", "encode2")
    for models in (("tag",), ("feature",)):
        check_prototxt(write(tmp_path / "net", prototxt(narrow(*models))), both)
    text = "\n".join(line for line in prototxt(narrow("tag")).splitlines() if "Sigmoid" not in line)
    check_prototxt(write(tmp_path / "net", text), both)


def test_layers_for_training_are_passed_over(tmp_path: Path) -> None:
    weights = narrow("tag")
    text = """
    layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN } }
    layer { name: "data" type: "ImageData" top: "data" include { phase: TEST } }
    layer { name: "extra" type: "Convolution" bottom: "data" top: "y" exclude { phase: TEST } }
    """
    text += "\n".join(prototxt(weights).splitlines()[3:])
    text += """
    layer { name: "loss" type: "SigmoidCrossEntropyLoss" bottom: "pool6" bottom: "label" }
    layer { name: "accuracy" type: "Accuracy" bottom: "prob" bottom: "label" }
    """
    check_prototxt(write(tmp_path / "net", text), weights)


DIFFERENCES: dict[str, tuple[str, str, str]] = {
    "name": (
        'name: "conv3_2"',
        'name: "conv3_x"',
        "layer 'conv3_x' after conv3_1 ReLU; the weights have 'conv3_2'",
    ),
    "width": ("num_output: 5", "num_output: 6", "layer 'conv5_1' has num_output 6; the weights need 5"),
    "kernel": ("kernel_size: 3", "kernel_size: 5", "layer 'conv1_1' has kernel 5; the weights need 3"),
    "pad": ("pad: 1", "pad: 0", "layer 'conv1_1' has pad 0; the weights need 1"),
    "no pad": ("pad: 1", "", "layer 'conv1_1' has pad 0; the weights need 1"),
    "stride": ("pad: 1", "pad: 1 stride: 2", "layer 'conv1_1' has stride 2; the weights need 1"),
    "group": ("pad: 1", "pad: 1 group: 2", "layer 'conv1_1' has group 2; the weights need 1"),
    "dilation": ("pad: 1", "pad: 1 dilation: 2", "layer 'conv1_1' has dilation 2; the weights need 1"),
    "bias": ("pad: 1", "pad: 1 bias_term: false", "layer 'conv1_1' has bias False; the weights need True"),
    "pooling": ("pool: MAX", "pool: AVE", "layer 'pool1' has pool average; the weights need max"),
    "window": ("kernel_size: 2", "kernel_size: 3", "layer 'pool1' has kernel 3; the weights need 2"),
    "last window": ("kernel_size: 7", "kernel_size: 6", "layer 'pool6' has kernel 6; the weights need 7"),
    "activation": (
        '"ReLU"',
        '"TanH"',
        "layer 'relu1_1' after conv1_1 is TanH; the weights need conv1_1 ReLU",
    ),
    "input": ("dim: 224", "dim: 256", r"has an input of \(1, 3, 256, 224\); expected"),
    "channels": ("dim: 3", "dim: 1", r"has an input of \(1, 1, 224, 224\); expected"),
    "wiring": (
        'bottom: "pool1"',
        'bottom: "conv1_1"',
        r"'conv2_1' \(Convolution\) comes after conv1_1 ReLU; the weights have it after pool1",
    ),
    "loose end": (
        'bottom: "pool1"',
        'bottom: "elsewhere"',
        r"'conv2_1' \(Convolution\) comes after the image",
    ),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_the_first_difference_is_named(tmp_path: Path, case: str) -> None:
    before, after, expected = DIFFERENCES[case]
    text = prototxt(narrow("tag"))
    assert before in text
    with pytest.raises(WeightsError, match=expected):
        check_prototxt(write(tmp_path / "net", text.replace(before, after, 1)), narrow("tag"))


@pytest.mark.parametrize("line", range(3, 30))
def test_no_layer_may_be_missing(tmp_path: Path, line: int) -> None:
    """Each line of the text is a layer."""
    lines = prototxt(narrow("tag")).splitlines()
    removed = lines.pop(line)
    in_use = "Dropout" not in removed
    file = write(tmp_path / "net", "\n".join(lines))
    if in_use:
        with pytest.raises(WeightsError):
            check_prototxt(file, narrow("tag"))
    else:
        check_prototxt(file, narrow("tag"))


def test_the_other_model_is_refused(tmp_path: Path) -> None:
    tag, feature = narrow("tag"), narrow("feature")
    with pytest.raises(WeightsError, match=r"layer 'encode1' after conv6_3 ReLU is InnerProduct; .* conv6_4"):
        check_prototxt(write(tmp_path / "net", prototxt(feature)), tag)
    trunk = "\n".join(prototxt(feature).splitlines()[:-2])
    with pytest.raises(WeightsError, match="lacks 'encode1', which the weights contain"):
        check_prototxt(write(tmp_path / "net", trunk), feature)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "describes no layer"),
        ("layer {", "line 1: expected a field's name or '}', found 'the end of the file'"),
        ("layer {\n name 5 }", "line 2: expected ':' or '{', found '5'"),
        ("layer { name: } }", "expected a value, found '}'"),
        ('layer { name: "a }', "expected a name, a number, quoted text or a bracket"),
        ("layer { > ", "expected a field's name"),
        ("# comment\n@", "line 1: expected a name, a number"),
        ("}", "expected a field's name or 'the end of the file', found '}'"),
        ("a {" * 100, "at most 32 messages inside one another"),
        (
            'layer { name: "c" convolution_param { kernel_h: 3 kernel_w: 5 } }',
            "kernel_size is 3, 5; expected one",
        ),
        ("layer { convolution_param { pad: -1 } }", "pad is -1; expected one whole number"),
        ("layer { convolution_param { pad: 99999999999 } }", "expected one whole number"),
        (
            'layer { type: "Pooling" pooling_param { pool: MIN } }',
            "pools by 'MIN'; one of MAX, AVE, STOCHASTIC",
        ),
        ("input_dim: x layer {}", "the input: dim is x"),
        ("# x" + " " * 2**20, "is over 1048576 bytes"),
    ],
)
def test_text_that_is_not_valid_is_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(WeightsError, match=expected):
        read_prototxt(write(tmp_path / "net", text))


def test_what_cannot_be_read_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path, expected in ((tmp_path / "none", "cannot be read"), (tmp_path / "binary", "is not text")):
        with pytest.raises(WeightsError, match=expected):
            read_prototxt(path)


VALID = prototxt(narrow("tag"))


@pytest.mark.integration
@settings(max_examples=200)
@given(
    st.text()
    | st.lists(
        st.sampled_from(["layer", "{", "}", ":", "[", "]", "<", ">", '"', "a", "1", ",", "#", "\n", "\\"])
    ).map(" ".join)
    | st.builds(
        lambda at, cut, new: VALID[:at] + new + VALID[at + cut :],
        st.integers(0, len(VALID)),
        st.integers(0, 20),
        st.text(max_size=5),
    )
)
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "net.prototxt"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        check_prototxt(file, narrow("tag"))
    except WeightsError as error:
        assert str(file) in str(error)  # noqa: PT017
