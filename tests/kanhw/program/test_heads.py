"""Programs with heads: golden model, files, widths, other contents, refusals."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

import kanhw
from kanhw.errors import InputError
from kanhw.flow.head_writes import head_writes
from kanhw.formats import CodeFormat
from kanhw.program import (
    CodebookLayer,
    EdgeTableLayer,
    HeadFormats,
    InputEncoder,
    Interval,
    Program,
    Requantizer,
    ResidentLayer,
    join_heads,
    load_program,
    program_bytes,
    save_program,
)
from kanhw.schedule.schedule import Schedule
from kanhw.sim import checked_vectors, stimulus

CODE = CodeFormat(3, True)
FOLDED = Schedule(kind="folded", parallel_inputs=2, parallel_outputs=2)


def layer(rng, shapes, n_in, n_out, *, last, name, streams=2, biased=True):
    """Kinds of tables, shifts and numbers of streams differ from head to head."""
    kinds, n = int(rng.integers(1, 4)), 1 if last else streams
    joins = tuple(
        Requantizer(
            rng.integers(-20, 90, (2, n_out)),
            rng.integers(-99, 99, n_out),
            0 if last else int(rng.integers(4, 8)),
            None if last else CODE,
            scale=rng.random() + 0.5,
        )
        for _ in range(n)
    )
    offsets = {
        "biases": rng.integers(-3, 4, (n_out, n_in)),
        "offsets": rng.integers(-6, 8, (kinds, CODE.count)),
        "offsets_index": rng.integers(0, kinds, n_in),
    }
    return CodebookLayer(
        shapes=shapes,
        index=rng.integers(0, len(shapes), (n_out, n_in)),
        gains=rng.integers(-4, 5, (n_out, n_in)),
        base=rng.integers(-8, 8, (kinds, CODE.count, 1)),
        base_index=rng.integers(0, kinds, n_in),
        base_weights=rng.integers(-4, 5, (n_out, n_in, 1)),
        requantizers=joins,
        **(offsets if biased else {}),
        name=name,
    )


def network(rng, books, sizes=(4, 5, 3), *, streams=2, biased=True):
    layers = []
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        last = k == len(sizes) - 2
        fields = {"last": last, "name": f"layer{k}", "streams": streams, "biased": biased}
        layers.append(layer(rng, books[k], n_in, n_out, **fields))
        if k and streams == 2:
            layers[k] = replace(layers[k], base_stream=1)
    encoder = InputEncoder(CODE, sizes[0], scale=rng.random(sizes[0]) + 0.1)
    return Program(tuple(layers), encoder)


@pytest.fixture(scope="module")
def networks():
    """Five, of which the second has a stream less and the third no biases."""
    rng = np.random.default_rng(0)
    books = [rng.integers(-9, 9, (3, CODE.count)) for _ in range(2)]
    fields = [{}, {"streams": 1}, {"biased": False}, {}, {}]
    return [network(rng, books, **each) for each in fields]


@pytest.fixture(scope="module")
def codes():
    return np.random.default_rng(1).integers(CODE.lo, CODE.hi + 1, (60, 4))


@pytest.mark.parametrize("writable", [False, True])
def test_every_head_is_its_network(networks, codes, writable):
    program = join_heads(networks, writable=writable)
    assert (program.heads, program.writable) == (5, writable)
    assert all(isinstance(each, ResidentLayer) for each in program.layers)
    expected = np.stack([single(codes) for single in networks])
    for head in range(5):
        np.testing.assert_array_equal(program(codes, head=head), expected[head])
        np.testing.assert_array_equal(program.head(head)(codes), expected[head])
        last = program.activations(codes, head=head)[-1][0]
        np.testing.assert_array_equal(last, expected[head])
    np.testing.assert_array_equal(program(codes), expected[0])
    mixed = np.random.default_rng(2).integers(0, 5, len(codes))
    rows = np.arange(len(codes))
    np.testing.assert_array_equal(program(codes, head=mixed), expected[mixed, rows])
    classes = program.with_argmax()(codes, head=mixed)
    np.testing.assert_array_equal(classes[:, 0], expected[mixed, rows].argmax(axis=1))
    assert len(np.unique(expected)) > 50


def test_torch_gives_the_same(networks, codes):
    torch = pytest.importorskip("torch")
    program = join_heads(networks)
    mixed = np.arange(len(codes)) % 5
    found = program(torch.from_numpy(codes), head=mixed)
    np.testing.assert_array_equal(found.numpy(), program(codes, head=mixed))


@pytest.mark.parametrize("writable", [False, True])
def test_files(networks, codes, writable, tmp_path):
    program = join_heads(networks, writable=writable)
    again = load_program(save_program(program, tmp_path / "p.safetensors"))
    mixed = np.arange(len(codes)) % 5
    np.testing.assert_array_equal(again(codes, head=mixed), program(codes, head=mixed))
    assert program_bytes(again) == program_bytes(program)
    assert (again.heads, again.writable) == (5, writable)
    for ours, theirs in zip(program.layers, again.layers, strict=True):
        assert ours.accumulator_formats == theirs.accumulator_formats
        assert ours.writable == theirs.writable
    # The shapes are there once.
    one, two = (len(program_bytes(join_heads(networks[:n]))) for n in (1, 5))
    assert two - one < 4 * len(program_bytes(networks[0]))
    x = np.random.default_rng(3).normal(size=(9, 4))
    for head, single in enumerate(networks):
        np.testing.assert_array_equal(again.head(head).input.encode(x), single.input.encode(x))


def test_features_are_encoded_for_their_head(networks):
    program = join_heads(networks)
    x = np.random.default_rng(4).normal(size=(10, 4))
    data = checked_vectors(program, x, head=np.arange(10) % 5)
    found = stimulus(program, data.x, data.head)
    for row, head in enumerate(data.head):
        wanted = networks[head].input.encode(x[row : row + 1])[0]
        np.testing.assert_array_equal(found[row], wanted)
    for head, message in (
        (np.full(10, 5), r"'head' must be 0 to 4, not 5 to 5"),
        (np.zeros(10), r"'head' must be integers"),
        (np.zeros(3, int), r"'head' has 3 rows but 'x' has 10"),
    ):
        with pytest.raises(InputError, match=message):
            checked_vectors(program, x, head=head)


def test_other_contents(networks, codes):
    program = join_heads(networks[:3], writable=True)
    for single in (networks[1], networks[2], networks[0]):
        changed = program.with_head(1, single)
        np.testing.assert_array_equal(changed(codes, head=1), single(codes))
        np.testing.assert_array_equal(changed(codes, head=2), networks[2](codes))
        for ours, theirs in zip(program.layers, changed.layers, strict=True):
            assert ours.accumulator_formats == theirs.accumulator_formats
            sums = [join.sum_format for join in ours.requantizers]
            assert sums == [join.sum_format for join in theirs.requantizers]


def test_widths_are_those_of_the_formats(networks, codes):
    """Whatever is within the formats stays within the widths, at both ends."""
    program = join_heads(networks[:2], writable=True)
    rng = np.random.default_rng(5)
    for extreme in ("lo", "hi", "random"):
        layers = []
        for own in program.layers:
            formats, head = own.writable, own.head(0)

            def filled(form, like, extreme=extreme):
                ends = (form.lo, form.hi)
                pick = rng.choice(ends, like.shape)
                return pick if extreme == "random" else np.full(like.shape, getattr(form, extreme))

            joins = tuple(
                replace(
                    join,
                    multipliers=filled(formats.multipliers, join.multipliers),
                    bias=filled(formats.bias, join.bias),
                    sum_format=None,
                )
                for join in head.requantizers
            )
            names = ("gains", "biases", "base_weights", "base", "offsets")
            values = {name: filled(getattr(formats, name), getattr(head, name)) for name in names}
            layers.append(replace(head, **values, requantizers=joins, accumulator_formats=None))
        single = Program(tuple(layers), program.head(0).input)
        # The golden model checks every value against the declared widths.
        changed = program.with_head(0, single)
        np.testing.assert_array_equal(changed(codes, head=0), single(codes))


def test_bounds_are_exact():
    """What written heads may reach, by trying all ends of all formats."""
    rng = np.random.default_rng(7)
    book = [rng.integers(-9, 9, (3, CODE.count))]
    (own,) = network(rng, book, (2, 2), streams=1).layers
    formats = HeadFormats(
        gains=CodeFormat(3, False),
        multipliers=CodeFormat(4, False),
        bias=CodeFormat(5, True),
        base_weights=CodeFormat(2, True),
        base=CodeFormat(3, True),
        biases=CodeFormat(3, True),
        offsets=CodeFormat(2, False),
    )
    joins = tuple(
        replace(join, **{f: np.abs(getattr(join, f)) % 15 for f in ("multipliers", "bias")})
        for join in own.requantizers
    )
    values = {f: getattr(formats, f).lo + 0 * getattr(own, f) for f in (
        "gains", "base_weights", "base", "biases", "offsets"
    )}  # fmt: skip
    layer = ResidentLayer(
        (replace(own, **values, requantizers=joins, accumulator_formats=None),), formats
    )
    addresses = Interval(np.array([1, 0]), np.array([6, 7]))
    spline, base = layer.accumulator_intervals((addresses, addresses))

    def ends(form):
        return (form.lo, form.hi)

    lowest = highest = 0
    for lo, hi in ((1, 6), (0, 7)):
        found = [
            gain * value + bias * offset
            for gain, bias, offset in product(*map(ends, (
                formats.gains, formats.biases, formats.offsets
            )))
            for value in book[0][:, lo : hi + 1].ravel()
        ]  # fmt: skip
        lowest, highest = lowest + min(found), highest + max(found)
    assert (spline.lo.tolist(), spline.hi.tolist()) == ([lowest] * 2, [highest] * 2)
    found = [w * b for w, b in product(ends(formats.base_weights), ends(formats.base))]
    assert (base.lo.tolist(), base.hi.tolist()) == ([2 * min(found)] * 2, [2 * max(found)] * 2)
    sums = layer.requantizers[0].sum_interval((spline, base))
    factors, biases = ends(formats.multipliers), ends(formats.bias)
    found = [
        f * a + g * b + c
        for f, g, a, b, c in product(
            *(factors, factors, (lowest, highest), (base.lo[0], base.hi[0]), biases)
        )
    ]
    assert (sums.lo.tolist(), sums.hi.tolist()) == ([min(found)] * 2, [max(found)] * 2)


def test_declared_formats(networks, codes):
    narrow = HeadFormats.covering(join_heads(networks[:2]).layers[0].heads)
    wide = replace(narrow, gains=CodeFormat(9, True), bias=CodeFormat(20, True))
    assert HeadFormats.from_json(wide.to_json()) == wide
    formats = {"layer0": wide, "layer1": HeadFormats.covering(
        join_heads(networks[:2]).layers[1].heads
    )}  # fmt: skip
    program = join_heads(networks[:2], writable=formats)
    assert program.layers[0].writable == wide
    widths = [
        join_heads(networks[:2], writable=each).layers[0].accumulator_formats[0].width
        for each in (True, formats)
    ]
    assert widths[0] < widths[1]
    with pytest.raises(InputError, match=r"\AThere are no formats for layer 'layer1': give those"):
        join_heads(networks[:2], writable={"layer0": wide})
    with pytest.raises(InputError, match="biases and offsets need formats together, or neither"):
        replace(narrow, biases=None)
    first = networks[0].layers[0]
    joins = tuple(replace(join, sum_format=None) for join in first.requantizers)
    loud = replace(first, gains=first.gains * 1000, requantizers=joins, accumulator_formats=None)
    loud = replace(networks[0], layers=(loud, networks[0].layers[1]))
    with pytest.raises(InputError, match=r"gains of a head must be -256 to 255, as declared, not"):
        program.with_head(0, loud)


def test_refusals(networks, codes):
    first, second = networks[0], networks[3]
    program = join_heads([first, second])
    other = replace(second.layers[0], shapes=second.layers[0].shapes + 1)
    edges = Program(
        (EdgeTableLayer(np.ones((2, 4, 8), int), (Requantizer(np.ones((1, 2), int), [0, 0]),)),),
        InputEncoder(CODE, 4),
    )
    for call, message in (
        (lambda: join_heads([]), "Heads need at least one Program"),
        (lambda: join_heads([edges]), "Heads share codebooks, but there is no codebook layer in"),
        (lambda: join_heads([first, edges]), r"the same layers, but head 1 has \['edge_table'\]"),
        (lambda: join_heads([first, second.with_argmax()]), "the same argmax, but head 1 has True"),
        (
            lambda: join_heads([first, replace(second, layers=(other, second.layers[1]))]),
            "head 1 has other shapes than head 0: make heads with quantize_heads",
        ),
        (lambda: join_heads([program]), "Program 0 has heads of its own: join Programs without"),
        (lambda: program(codes, head=2), r"\Ahead must be 0 to 1, not 2\Z"),
        (lambda: program(codes, head=[0, 1]), r"one integer or \[60\], one a vector, not"),
        (lambda: first(codes, head=1), r"\Ahead must be 0 to 0, not 1\Z"),
        (lambda: program.with_head(2, first), r"\Ahead must be 0 to 1, not 2\Z"),
        (lambda: program.with_head(0, edges), "A head of this Program has layers"),
        (lambda: first.with_head(0, second), "puts a network without heads into a Program with"),
        (lambda: ResidentLayer(()), "A resident codebook needs at least one head"),
        (lambda: replace(program, encoders=None), "make it with join_heads"),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_only_codebooks_may_differ(networks):
    rng = np.random.default_rng(6)
    programs = []
    for single in networks[3:]:
        tables = rng.integers(-3, 4, (4, 4, CODE.count))
        edges = EdgeTableLayer(tables, (Requantizer(np.ones((1, 4), int), [0] * 4, 2, CODE),))
        programs.append(replace(single, layers=(edges, *single.layers)))
    with pytest.raises(InputError, match="of head 1 differs from that of head 0, and only"):
        join_heads(programs)


@pytest.mark.wide
def test_head_writes(networks, tmp_path):
    program = join_heads(networks[:2], writable=True)
    design = kanhw.generate(program, tmp_path / "design", schedule=FOLDED)
    assert design.to_json()["control_bits"] == design.control_bits > 0
    writes = head_writes(design, networks[0], 1)
    assert writes.shape[1] == 2 and len(writes) > 20
    assert writes.min() >= 0 and writes.max() < 1 << 32
    assert writes[:, 0].max() < 1 << design.control_bits
    np.testing.assert_array_equal(writes, head_writes(design.path, program, 0))
    plain = kanhw.generate(join_heads(networks[:2]), tmp_path / "plain", schedule=FOLDED)
    with pytest.raises(InputError, match="cannot be written: join them with writable=True"):
        head_writes(plain, networks[0])
