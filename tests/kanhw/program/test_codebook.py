"""Codebook layers: their function, checks and files."""

from dataclasses import replace

import numpy as np
import pytest
from codebook_layers import (
    SEEDS,
    all_codes,
    codebook,
    naive,
    ones,
    random_addresses,
    random_layer,
    torch,
    two_streams,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program import (
    BranchEdgeTableLayer,
    CodebookLayer,
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


class TestReference:
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
            InputError, match=r"\ALayer 'codes': Sums reach .*, beyond 62 bits: use smaller"
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
