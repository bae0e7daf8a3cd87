"""Codebook layers: the definition by hand, their equal in edge tables, files, widths, reports."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from kanhw.design.design import Design, Port
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program import (
    BranchEdgeTableLayer,
    CodebookLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    Interval,
    Program,
    ProgramLayer,
    Requantizer,
    golden,
    load_program,
    save_program,
)
from kanhw.program.functions.tables import codebook_sums
from kanhw.reports import Summary, network_curves, summarise, summary_text, write_html
from kanhw.reports.layer_facts import program_facts
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

torch = pytest.importorskip("torch")

SIGNED4 = CodeFormat(4, signed=True)
SEEDS = st.integers(0, 2**32)


def ones(n_out, branches=2):
    return np.ones((branches, n_out), np.int64)


def offset_fields(rng, n_in, n_out, depth, tables=2):
    return {
        "biases": rng.integers(-5, 6, (n_out, n_in)),
        "offsets": rng.integers(-9, 10, (tables, depth)),
        "offsets_index": rng.integers(0, tables, n_in),
    }


def codebook(n_in=3, n_out=2, widths=(2, 2), size=4, seed=0, *, biased=True, **changes):
    rng = np.random.default_rng(seed)
    gains = rng.integers(-9, 10, (n_out, n_in))
    gains[rng.random(gains.shape) < 0.2] = 0
    fields = {
        "shapes": rng.integers(-20, 21, (size, 1 << widths[0])),
        "index": rng.integers(0, size, (n_out, n_in)),
        "gains": gains,
        "base": rng.integers(-5, 6, (2, 1 << widths[1], 1)),
        "base_index": rng.integers(0, 2, n_in),
        "base_weights": rng.integers(-9, 10, (n_out, n_in, 1)),
        "requantizers": (Requantizer(rng.integers(-5, 6, (2, n_out)), np.arange(n_out)),),
        "name": "codes",
    }
    offsets = offset_fields(rng, n_in, n_out, 1 << widths[0])
    return CodebookLayer(**{**fields, **(offsets if biased else {}), **changes})


def naive(layer, spline, base, present):
    """Both accumulators of one vector, term by term in Python's own integers."""
    totals = []
    for j in range(layer.n_out):
        total = [0, 0]
        for i in range(layer.n_in):
            if not present[i]:
                continue
            shape = layer.shapes[int(layer.index[j, i])]
            total[0] += int(layer.gains[j, i]) * int(shape[spline[i]])
            if layer.biases is not None:
                offsets = layer.offsets[int(layer.offsets_index[i])]
                total[0] += int(layer.biases[j, i]) * int(offsets[spline[i]])
            table = layer.base[int(layer.base_index[i]), :, 0]
            total[1] += int(layer.base_weights[j, i, 0]) * int(table[base[i]])
        totals.append(total)
    return totals


def random_layer(seed, **changes):
    """Of any small size, with and without biases."""
    rng = np.random.default_rng(seed)
    n_in, n_out, shapes = rng.integers(1, 5, 3).tolist()
    widths = rng.integers(1, 4, 2).tolist()
    return codebook(n_in, n_out, widths, shapes, seed, biased=bool(seed % 2), **changes), rng


def random_addresses(rng, layer, count=12):
    return tuple(rng.integers(0, depth, (count, layer.n_in)) for depth in layer.depths)


def two_streams(layer, seed=0):
    """A Program of edge tables that make both streams of a layer, and the layer."""
    rng = np.random.default_rng(seed)
    source = CodeFormat(2, signed=True)
    streams = tuple(
        Requantizer(
            ones(layer.n_in, 1),
            rng.integers(-3, 4, layer.n_in),
            1,
            CodeFormat(depth.bit_length() - 1, signed=bool(rng.integers(2))),
        )
        for depth in layer.depths
    )
    first = EdgeTableLayer(rng.integers(-9, 10, (layer.n_in, 3, 4)), streams, "first")
    layer = replace(layer, spline_stream=0, base_stream=1)
    return Program((first, layer), InputEncoder(source, 3))


def all_codes(program):
    return np.array(list(itertools.product(program.input.format.codes(), repeat=program.n_in)))


class TestReference:
    @settings(max_examples=60)
    @given(SEEDS, st.booleans())
    def test_both_branches_are_the_definition(self, seed, padded):
        layer, rng = random_layer(seed)
        spline, base = random_addresses(rng, layer)
        present = rng.integers(0, 2, spline.shape) if padded else None
        every = np.ones_like(spline) if present is None else present
        expected = np.array([naive(layer, *rows) for rows in zip(spline, base, every, strict=True)])
        for kind in (np.asarray, torch.tensor):
            mask = None if present is None else kind(present)
            sums = layer.accumulate((kind(spline), kind(base)), mask)
            for total, branch in zip(sums, (0, 1), strict=True):
                assert type(total) is type(kind(spline))
                np.testing.assert_array_equal(np.asarray(total), expected[:, :, branch])

    def test_a_term_at_a_time(self):
        """One edge, whose gain, shape, bias and offset can be read off."""
        address = np.arange(4)[:, None]
        shapes, index = np.array([[9, 9, 9, 9], [1, 2, 3, 5]]), np.array([[1]])
        gains, offsets = np.array([[-2]]), np.array([[0, 0, 0, 0], [1, 1, 0, -1]])
        plain = codebook_sums(shapes, index, gains, address)
        assert plain[:, 0].tolist() == [-2, -4, -6, -10]
        raised = codebook_sums(
            shapes, index, gains, address,
            biases=np.array([[100]]), offsets=offsets, offsets_index=[1],
        )  # fmt: skip
        assert raised[:, 0].tolist() == [98, 96, -6, -110]

    def test_many_edges(self):
        """The sizes of a real layer, by another formula."""
        rng = np.random.default_rng(0)
        shapes, index = rng.integers(-99, 100, (256, 64)), rng.integers(0, 256, (64, 784))
        gains, addresses = rng.integers(-8, 9, (64, 784)), rng.integers(0, 64, (3, 784))
        tables = gains[:, :, None] * shapes[index]
        expected = np.stack([tables[:, np.arange(784), row].sum(axis=1) for row in addresses])
        np.testing.assert_array_equal(codebook_sums(shapes, index, gains, addresses), expected)


class TestLayer:
    @settings(max_examples=40)
    @given(SEEDS)
    def test_equals_its_edge_tables(self, seed):
        layer, _ = random_layer(seed)
        program = two_streams(layer, seed)
        spline_tables, base_tables = layer.edge_tables()
        assert spline_tables.shape == (layer.n_out, layer.n_in, layer.depths[0])
        assert base_tables.shape == (layer.n_out, layer.n_in, layer.depths[1])
        branches = BranchEdgeTableLayer(
            spline_tables, base_tables, layer.requantizers, "tables", 0, 1
        )
        expanded = Program((program.layers[0], branches), program.input)
        codes = all_codes(program)
        np.testing.assert_array_equal(program(codes), expanded(codes))
        ours, theirs = program.layers[1], expanded.layers[1]
        assert ours.accumulator_formats == theirs.accumulator_formats
        assert ours.requantizers[0].sum_format == theirs.requantizers[0].sum_format

    def test_edge_tables_are_the_definition(self):
        layer = codebook(3, 2, (3, 2), seed=5)
        spline, base = layer.edge_tables([2, 0])
        for place, i in enumerate((2, 0)):
            for j in range(2):
                expected = layer.gains[j, i] * layer.shapes[layer.index[j, i]]
                expected = expected + layer.biases[j, i] * layer.offsets[layer.offsets_index[i]]
                assert spline[j, place].tolist() == expected.tolist()
                expected = layer.base_weights[j, i, 0] * layer.base[layer.base_index[i], :, 0]
                assert base[j, place].tolist() == expected.tolist()

    @settings(max_examples=40)
    @given(SEEDS, st.booleans())
    def test_intervals_are_exact(self, seed, padded):
        layer, rng = random_layer(seed)
        n_in = layer.n_in
        missing = rng.integers(0, 2, n_in).astype(bool) if padded else None
        ends = [np.sort(rng.integers(0, depth, (2, n_in)), axis=0) for depth in layer.depths]
        addresses = tuple(Interval(lo, hi) for lo, hi in ends)
        intervals = layer.accumulator_intervals(addresses, missing)
        for branch, (interval, (lo, hi)) in enumerate(zip(intervals, ends, strict=True)):
            # Each input's edges by themselves, since inputs vary independently.
            lows, highs = np.zeros(layer.n_out, int), np.zeros(layer.n_out, int)
            for i in range(n_in):
                grid = np.zeros((hi[i] - lo[i] + 1, n_in), int)
                grid[:, i] = np.arange(lo[i], hi[i] + 1)
                alone = np.zeros_like(grid)
                alone[:, i] = 1
                other = np.zeros_like(grid)
                both = (grid, other) if branch == 0 else (other, grid)
                values = layer.accumulate(both, alone)[branch]
                if missing is not None and missing[i]:
                    values = np.concatenate([values, np.zeros((1, layer.n_out), int)])
                lows, highs = lows + values.min(axis=0), highs + values.max(axis=0)
            assert interval.lo.tolist() == lows.tolist()
            assert interval.hi.tolist() == highs.tolist()

    def test_active_edges(self):
        nothing = np.zeros((2, 3), int)
        gains, biases, weights = nothing.copy(), nothing.copy(), nothing[:, :, None].copy()
        gains[0, 0] = biases[0, 1] = weights[1, 2] = 1
        layer = codebook(gains=gains, biases=biases, base_weights=weights)
        assert layer.active.tolist() == [[True, True, False], [False, False, True]]
        layer = codebook(gains=gains, base_weights=weights, biased=False)
        assert layer.active.tolist() == [[True, False, False], [False, False, True]]

    @pytest.mark.parametrize(("shapes", "bits"), [(1, 0), (2, 1), (3, 2), (256, 8), (257, 9)])
    def test_index_bits(self, shapes, bits):
        layer = codebook(size=shapes)
        assert layer.index_bits == bits
        assert isinstance(layer, ProgramLayer)

    def test_everything_is_read_only(self):
        layer = codebook()
        assert set(layer.tensors()) == {
            "shapes", "index", "gains", "base", "base_index", "base_weights",
            "biases", "offsets", "offsets_index",
        }  # fmt: skip
        for array in layer.tensors().values():
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0

    @settings(max_examples=20)
    @given(SEEDS)
    def test_golden_model(self, seed):
        layer, _ = random_layer(seed)
        program = two_streams(layer, seed)
        codes = all_codes(program)
        np.testing.assert_array_equal(golden.run(program, codes), program(codes))

    def test_golden_model_sees_a_planted_fault(self):
        layer = codebook(requantizers=(Requantizer(ones(2), np.zeros(2, int)),))
        program = Program((layer,), InputEncoder(CodeFormat(2, signed=False), 3))
        index = np.array(layer.index)
        used = np.argwhere(layer.gains != 0)[0]
        index[tuple(used)] = (index[tuple(used)] + 1) % 4
        faulty = Program((replace(layer, index=index),), program.input)
        codes = all_codes(program)
        assert (golden.run(faulty, codes) != program(codes)).any()


REFUSALS = [
    ({"shapes": np.zeros((4, 4))}, r"codes\.shapes must hold integers, not float64"),
    ({"shapes": np.zeros(4, int)}, r"codes\.shapes must be a non-empty array of 2 dimensions"),
    ({"shapes": np.zeros((0, 4), int)}, r"codes\.shapes must be a non-empty array of 2 dim"),
    ({"gains": None}, r"codes\.gains must hold integers, not object"),
    ({"shapes": np.zeros((4097, 4), int)}, r"Layer 'codes': shapes must be 1 to 4096, not 4097"),
    (
        {"index": np.zeros((3, 2), int)},
        r"Layer 'codes': index must have the shape \(2, 3\) of the gains, not \(3, 2\)",
    ),
    ({"index": np.full((2, 3), 4)}, r"Layer 'codes': index must name shapes 0 to 3, not 4"),
    ({"index": np.full((2, 3), -1)}, r"Layer 'codes': index must name shapes 0 to 3, not -1"),
    (
        {"offsets": None},
        r"Layer 'codes': biases, offsets, offsets_index belong together, so .* not only biases,",
    ),
    ({"biases": None, "offsets": None}, r"Layer 'codes': .* not only offsets_index"),
    ({"biases": np.zeros((2, 3))}, r"codes\.biases must hold integers, not float64"),
    (
        {"biases": np.zeros((2, 1), int)},
        r"Layer 'codes': biases must have the shape \(2, 3\) of the gains, not \(2, 1\)",
    ),
    (
        {"offsets": np.zeros((2, 8), int)},
        r"Layer 'codes': offsets must have 4 entries, as the shapes have, not 8",
    ),
    (
        {"offsets_index": np.array([0, 1, 2])},
        r"Layer 'codes': offsets_index must name one of 2 tables for each of 3 inputs",
    ),
    (
        {"offsets_index": np.array([0, 1])},
        r"Layer 'codes': offsets_index must name one of 2 tables for each of 3 inputs",
    ),
    (
        {"base_weights": np.ones((2, 2, 1), int)},
        r"Layer 'codes': the base branch's weights have shape \(2, 2, 1\), not \(2, 3, 1\)",
    ),
    (
        {"base_index": np.full(3, -1)},
        r"Layer 'codes': base_index must name one of 2 tables for each of 3 inputs",
    ),
    ({"base_stream": -1}, r"Layer 'codes' needs a stream number from 0 up per branch"),
    ({"requantizers": ()}, r"Layer 'codes' has no requantizer"),
    (
        {"requantizers": (Requantizer(ones(3), np.zeros(3, int)),)},
        r"A requantizer of layer 'codes' has multipliers of shape \(2, 3\), not \(2, 2\)",
    ),
]


class TestRefusals:
    @pytest.mark.parametrize(("changes", "message"), REFUSALS)
    def test_fields(self, changes, message):
        with pytest.raises(InputError, match=rf"\A{message}"):
            codebook(**changes)

    def test_the_largest_codebook(self):
        assert codebook(size=4096).index_bits == 12

    @pytest.mark.parametrize(("field", "depths"), [("shapes", (8, 4)), ("base", (4, 8))])
    def test_tables_that_no_code_addresses(self, field, depths):
        layer = codebook(widths=tuple(depth.bit_length() - 1 for depth in depths))
        branch = {"shapes": "spline", "base": "base"}[field]
        with pytest.raises(
            InputError, match=rf"\ALayer 'codes': tables of 8 entries in its {branch} branch cannot"
        ):
            Program((layer,), InputEncoder(CodeFormat(2, signed=False), 3))

    @pytest.mark.parametrize(
        "fields",
        [
            {"shapes": np.full((4, 4), 1 << 40), "gains": np.full((2, 3), -(1 << 30))},
            {"offsets": np.full((2, 4), 1 << 40), "biases": np.full((2, 3), 1 << 30)},
            {"base": np.full((2, 4, 1), 1 << 40), "base_weights": np.full((2, 3, 1), 1 << 30)},
            # Every edge fits, but not their sum.
            {"shapes": np.full((4, 4), 1 << 31), "gains": np.full((2, 3), 1 << 30)},
            # The products wrap around to 0.
            {"shapes": np.full((4, 4), 1 << 40), "gains": np.full((2, 3), 1 << 30)},
        ],
    )
    def test_sums_beyond_an_int64(self, fields):
        with pytest.raises(
            InputError, match=r"\ASums reach .*, beyond 62 bits: use smaller tables"
        ):
            Program((codebook(**fields),), InputEncoder(CodeFormat(2, signed=False), 3))

    def test_declared_widths_that_are_too_narrow(self):
        narrow = (CodeFormat(2, signed=True), CodeFormat(30, signed=True))
        with pytest.raises(
            InputError, match=r"\ALayer 'codes', spline accumulator: a signed 2 bit"
        ):
            Program(
                (codebook(accumulator_formats=narrow),),
                InputEncoder(CodeFormat(2, signed=False), 3),
            )


class TestFiles:
    @pytest.mark.parametrize("biased", [True, False])
    def test_round_trip(self, biased, tmp_path):
        program = two_streams(codebook(seed=3, widths=(3, 2), size=300, biased=biased))
        path = save_program(program, tmp_path / "p.safetensors")
        with safe_open(path, framework="numpy") as file:
            stored = file.keys()
            names = {name.split(".")[2] for name in stored if name.startswith("layers.1.")}
            assert file.get_tensor("layers.1.index").dtype == np.int16
            assert file.get_tensor("layers.1.gains").dtype == np.int8
        assert {"biases", "offsets", "offsets_index"} & names == (
            {"biases", "offsets", "offsets_index"} if biased else set()
        )
        back = load_program(path)
        ours, theirs = program.layers[1], back.layers[1]
        assert isinstance(theirs, CodebookLayer)
        assert (theirs.name, theirs.streams) == ("codes", (0, 1))
        assert ours.accumulator_formats == theirs.accumulator_formats
        assert (theirs.biases is None) is not biased
        assert ours.tensors().keys() == theirs.tensors().keys()
        for name, values in ours.tensors().items():
            np.testing.assert_array_equal(theirs.tensors()[name], values)
        codes = all_codes(program)
        np.testing.assert_array_equal(back(codes), program(codes))
        again = save_program(back, tmp_path / "again.safetensors")
        assert again.read_bytes() == path.read_bytes()

    def test_a_lost_tensor_is_refused(self, tmp_path):
        from safetensors.numpy import load_file, save_file

        program = two_streams(codebook())
        path = save_program(program, tmp_path / "p.safetensors")
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
        tensors = load_file(path)
        for name, message in (("index", "is a damaged Program file"), ("biases", "not only off")):
            fewer = {key: v for key, v in tensors.items() if key != f"layers.1.{name}"}
            save_file(fewer, path, metadata=metadata)
            with pytest.raises(InputError, match=message):
                load_program(path)


class TestConvolution:
    WINDOW = Window((2, 4, 3), (2, 3), (1, 1), (1, 1))

    def taps(self, *, biased=True):
        taps = codebook(12, 2, seed=4, biased=biased)
        shared = Requantizer(ones(2), np.array([3, -3]), 2, SIGNED4)
        return replace(taps, requantizers=(shared,))

    @pytest.mark.parametrize("biased", [True, False])
    def test_padded_taps_add_nothing(self, biased):
        taps = self.taps(biased=biased)
        layer = ConvolutionLayer(taps, self.WINDOW)
        addresses = np.random.default_rng(0).integers(0, 4, (30, layer.n_in))
        one = Requantizer(ones(2, 1), np.zeros(2, int))
        for values, tables in zip(
            layer.accumulate((addresses, addresses)), taps.edge_tables(), strict=True
        ):
            alone = ConvolutionLayer(EdgeTableLayer(tables, (one,)), self.WINDOW)
            np.testing.assert_array_equal(values, alone.accumulate((addresses,))[0])
        image = Interval(np.full(layer.n_in, 0), np.full(layer.n_in, 3))
        for interval, tables in zip(
            layer.accumulator_intervals((image, image)), taps.edge_tables(), strict=True
        ):
            alone = ConvolutionLayer(EdgeTableLayer(tables, (one,)), self.WINDOW)
            expected = alone.accumulator_intervals((image,))[0]
            np.testing.assert_array_equal(interval.lo, expected.lo)
            np.testing.assert_array_equal(interval.hi, expected.hi)

    def test_file_and_golden_model(self, tmp_path):
        layer = ConvolutionLayer(self.taps(), self.WINDOW)
        program = Program((layer,), InputEncoder(CodeFormat(2, signed=True), layer.n_in))
        back = load_program(save_program(program, tmp_path / "p.safetensors"))
        assert isinstance(back.layers[0].taps, CodebookLayer)
        codes = np.random.default_rng(1).integers(-2, 2, (20, layer.n_in))
        outputs = program(codes)
        assert len(np.unique(outputs)) > 4
        np.testing.assert_array_equal(back(codes), outputs)
        np.testing.assert_array_equal(golden.run(back, codes), outputs)


def design_of(program, folder):
    save_program(program, folder / "program.safetensors")
    return Design(
        path=folder,
        top="kan",
        verilog="kan.v",
        program_file="program.safetensors",
        schedule=Schedule(),
        latency_cycles=4,
        initiation_interval=1,
        input=Port.input_of(program),
        output=Port.output_of(program),
    )


def width_of(values):
    """Bits of the narrowest two's complement, or unsigned, integer that holds all values."""
    lo, hi = int(values.min()), int(values.max())
    if lo < 0:
        return max(hi.bit_length(), (-lo - 1).bit_length()) + 1
    return max(hi.bit_length(), 1)


class TestReports:
    def program(self, *, shared=True, format=SIGNED4, **changes):
        shift = 3 if format else 0
        hand_on = Requantizer(np.array([[2, 1], [1, -3]]), np.zeros(2, int), shift, format, 0.5)
        layer = codebook(size=5, requantizers=(hand_on,), **changes)
        if not shared:
            return two_streams(layer)
        return Program((layer,), InputEncoder(CodeFormat(2, signed=True), 3, 0.25))

    @pytest.mark.parametrize("biased", [True, False])
    def test_facts(self, biased):
        program = self.program(biased=biased)
        layer, facts = program.layers[0], program_facts(program)[0]
        assert (facts.kind, facts.edges) == ("codebook", 6)
        assert facts.details == {"shapes": 5, "index_bits": 3}
        active = layer.active
        assert facts.active_edges == int(active.sum())
        expected = sum(
            values.size * width_of(values)
            for values in (
                layer.shapes, layer.base, layer.index[active], layer.gains[active],
                layer.base_weights[active], *layer.requantizers[0].multipliers,
            )
        )  # fmt: skip
        if biased:
            expected += layer.offsets.size * width_of(layer.offsets)
            expected += int(active.sum()) * width_of(layer.biases[active])
        assert facts.parameter_bits == expected

    def test_a_base_branch_inside_the_shapes_counts_nothing(self):
        """And shapes are not taken for edges where their counts agree."""
        gains = np.array([[1, 0, 2], [0, 3, 1]])
        plain = codebook(
            size=2, widths=(2, 2), biased=False, gains=gains, index=np.array([[0, 1, 1]] * 2),
            base=np.zeros((1, 4, 1), int), base_index=np.zeros(3, int),
            base_weights=np.zeros((2, 3, 1), int),
            requantizers=(Requantizer(ones(2), np.zeros(2, int)),),
        )  # fmt: skip
        program = Program((plain,), InputEncoder(CodeFormat(2, signed=True), 3))
        bits = program_facts(program)[0].parameter_bits
        assert bits == 8 * width_of(plain.shapes) + 4 * 1 + 4 * 2
        square = replace(
            plain, shapes=plain.shapes[:, :2], base=plain.base[:, :2], gains=np.array([[1, 0]] * 2),
            index=np.array([[0, 1]] * 2), base_index=np.zeros(2, int),
            base_weights=np.zeros((2, 2, 1), int),
        )  # fmt: skip
        program = Program((square,), InputEncoder(CodeFormat(1, signed=True), 2))
        # Two edges with an index that is 0 for both.
        bits = program_facts(program)[0].parameter_bits
        assert bits == 4 * width_of(square.shapes) + 2 * 1

    def test_words(self, tmp_path):
        summary = summarise(design_of(self.program(), tmp_path))
        text = " ".join(summary_text(summary).split())
        assert "codes: codebook (5 shapes, 3 index bits per edge), 3 → 2, " in text
        assert Summary.from_json(json.loads(json.dumps(summary.to_json()))) == summary
        page = write_html(summary, network_curves(self.program()), tmp_path / "r.html").read_text()
        assert 'codebook<span class="detail">5 shapes, 3 index bits per edge</span>' in page

    @pytest.mark.parametrize(
        ("shapes", "words"),
        [(1, "1 shape, 0 index bits per edge"), (2, "2 shapes, 1 index bit per edge")],
    )
    def test_words_of_small_codebooks(self, shapes, words, tmp_path):
        taps = replace(
            codebook(4, size=shapes, biased=False),
            requantizers=(Requantizer(ones(2), np.zeros(2, int)),),
        )
        layer = ConvolutionLayer(taps, Window((1, 3, 3), (2, 2)))
        program = Program((layer,), InputEncoder(CodeFormat(2, signed=True), 9))
        details = program_facts(program)[0].details
        assert details == {"taps": "codebook", "shapes": shapes, "index_bits": shapes - 1}
        text = " ".join(summary_text(summarise(design_of(program, tmp_path))).split())
        assert f"convolution (codebooks of {words} on 4 windows of 2×2)" in text

    @pytest.mark.parametrize("shared", [True, False])
    def test_curves_add_up_to_the_layer(self, shared):
        program = self.program(shared=shared)
        layer, (*_, curves) = program.layers[-1], network_curves(program)
        assert (curves.kind, curves.active) == ("codebook", int(layer.active.sum()))
        assert len(curves.plots) == curves.active
        rng = np.random.default_rng(1)
        addresses = random_addresses(rng, layer)
        if shared:
            addresses = addresses[:1] * 2
        total = np.zeros((12, 2), np.int64)
        for plot in curves.plots:
            assert [t.branch for t in plot.traces] == (["edge"] if shared else ["spline", "base"])
            for trace, address in zip(plot.traces, addresses, strict=not shared):
                total[:, plot.output] += trace.integers[address[:, plot.input]]
        sums = layer.requantizers[0].sums(layer.accumulate(addresses))
        np.testing.assert_array_equal(total, sums)

    def test_steps(self):
        curves = network_curves(self.program())[0]
        assert curves.step_name == "step of the layer's output code"
        assert {plot.step for plot in curves.plots} == {0.5}
        program = self.program(format=None)
        layer, curves = program.layers[0], network_curves(program)[0]
        assert curves.step_name == "weight step"
        peaks = [int(np.abs(layer.shapes).max()), int(np.abs(layer.base).max())]
        factors = [max(2 * peaks[0], 1 * peaks[1]), max(1 * peaks[0], 3 * peaks[1])]
        for plot in curves.plots:
            assert plot.step == 0.5 * factors[plot.output]
