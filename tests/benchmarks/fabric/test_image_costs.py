"""What poolings are counted as is what their designs have."""

import numpy as np

from benchmarks.fabric.image_costs import counts_of, pools, program_of


def test_poolings_give_what_they_pool():
    rng = np.random.default_rng(0)
    chosen = pools()
    assert len({str(own) for own, _ in chosen.values()}) == len(chosen)
    for pool, bits in list(chosen.values())[:8]:
        program = program_of(pool, bits)
        codes = rng.integers(0, 1 << bits, (5, program.n_in))
        cells = codes[:, pool.index]
        whole = (cells.sum(-1) + pool.area // 2) // pool.area
        expected = whole if pool.rounds else cells.max(-1)
        assert np.array_equal(program(codes), expected)


def test_whole_images_have_totals_and_no_lines():
    for pool, bits in pools().values():
        lines, compared, added, divided, stages = counts_of(pool, bits)
        whole = pool.window.size == pool.window.shape[1:]
        assert (lines == 0) == (stages == 0) == whole
        assert (compared > 0) != (added > 0)
        assert (divided > 0) == (pool.rounds and pool.area & (pool.area - 1) != 0)
        if whole:
            assert compared + added == bits * pool.window.shape[0]
