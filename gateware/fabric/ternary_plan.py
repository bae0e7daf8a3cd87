"""The plan of a tree of adders of three operands: the one with the fewest LUTs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kanhw.gateware.fabric.ternary_rows import Row, Sum, luts_of

__all__ = ["plan_sum", "ternary_depth"]

# Interval dynamic programming takes the fourth power of the operands: more are grouped beforehand.
PLANNED = 20
# More operands than this are not searched for those that go side by side.
PAIRED = 100
# A deeper tree than necessary hardly ever has fewer LUTs.
SPARE_LEVELS = 1


def ternary_depth(count: int) -> int:
    """Levels of adders of three operands that ``count`` operands need."""
    depth = 0
    while 3**depth < count:
        depth += 1
    return depth


def plan_sum(rows: Sequence[Row], depth: int, limit: int) -> Sum:
    """The cheapest tree found.

    Parameters
    ----------
    rows
        The operands, at least one.
    depth
        Adder levels wanted; exceeded where the number of rows needs more.
    limit
        Columns from here on do not matter.
    """
    leaves = sorted((Sum(row, k) for k, row in enumerate(rows)), key=_order)
    bits = [s for s in leaves if s.row.maximum == 1 << s.row.shift and not s.row.fixed]
    best = _tree(_beside(leaves), depth, limit)
    # An adder takes one bit, and there is one for two further operands.
    count = min(len(bits), (len(leaves) - 1) // 3)
    while count > 0:
        others = _beside([leaf for leaf in leaves if leaf not in bits[:count]])
        found, outside = _with_carries(_tree(others, depth, limit), bits[:count], limit)
        if not outside and found.cost(limit) < best.cost(limit):
            best = found
        count = count - outside if outside else count // 2
    return best


def _order(total: Sum) -> tuple[Row, int]:
    return total.row, -1 if total.operand is None else total.operand


def _beside(leaves: list[Sum]) -> list[Sum]:
    """The operands, those side by side that have no column in common."""
    waiting, joined = list(leaves), []
    if len(leaves) > PAIRED:
        return leaves
    while waiting:
        high = max(waiting, key=lambda s: (s.row.shift, _order(s)))
        waiting.remove(high)
        below = [s for s in waiting if s.row.maximum.bit_length() <= high.row.shift]
        if below and not high.row.fixed and not max(below, key=_order).row.fixed:
            low = max(below, key=_order)
            waiting.remove(low)
            waiting.append(_node((low, high), None))
        else:
            joined.append(high)
    return sorted(joined, key=_order)


def _with_carries(tree: Sum, bits: list[Sum], limit: int) -> tuple[Sum, int]:
    """The tree with bits carried into its adders, and how many of them there is no place for."""
    waiting = list(bits)

    def walk(node: Sum) -> Sum:
        if not node.parts:
            return node
        found = _node(tuple(walk(part) for part in node.parts), None)
        first = next(iter(found.columns(limit)), None)
        for bit in waiting:
            if first is not None and bit.row.shift == first.place:
                waiting.remove(bit)
                return _node(found.parts, bit)
        return found

    return walk(tree), len(waiting)


def _node(parts: tuple[Sum, ...], carried: Sum | None) -> Sum:
    rows = [part.row for part in (*parts, *([carried] if carried else []))]
    total = Row(sum(r.maximum for r in rows), min(_low(r) for r in rows))
    return Sum(total, parts=parts, carried=carried)


def _low(row: Row) -> int:
    return (row.maximum & -row.maximum).bit_length() - 1 if row.fixed else row.shift


def _tree(leaves: list[Sum], depth: int, limit: int) -> Sum:
    """The best tree whose every node adds neighbours in the given order."""
    while len(leaves) > PLANNED:
        # Of three narrow operands at a time, until the rest can be planned.
        count = min(len(leaves) // 3, -(-(len(leaves) - PLANNED) // 2))
        joined = [_node(tuple(leaves[3 * k : 3 * k + 3]), None) for k in range(count)]
        leaves = sorted(joined + leaves[3 * count :], key=_order)
    least = ternary_depth(len(leaves)) + max(leaf.level for leaf in leaves)
    return _Planner(leaves, limit).best(min(max(depth, least), least + SPARE_LEVELS))


class _Planner:
    """Dynamic programming over the intervals of an order of operands."""

    def __init__(self, leaves: list[Sum], limit: int) -> None:
        self._leaves = leaves
        self._limit = limit
        self._known: dict[tuple[int, int, int], tuple[int, Sum] | None] = {}
        self._luts: dict[tuple[Row, ...], int] = {}

    def best(self, depth: int) -> Sum:
        """The sum of all operands in so many levels of adders, which must be enough."""
        found = self._interval(0, len(self._leaves), depth)
        if found is None:
            raise RuntimeError(f"{len(self._leaves)} operands do not fit {depth} levels of adders")
        return found[1]

    def _interval(self, i: int, j: int, depth: int) -> tuple[int, Sum] | None:
        """LUTs and tree of operands i to j - 1; None if the depth is too small."""
        key = (i, j, depth)
        if key not in self._known:
            if j - i == 1:
                leaf = self._leaves[i]
                self._known[key] = (0, leaf) if leaf.level <= depth else None
            else:
                self._known[key] = self._cheapest(i, j, depth) if j - i <= 3**depth else None
        return self._known[key]

    def _cheapest(self, i: int, j: int, depth: int) -> tuple[int, Sum] | None:
        least, best = 1 << 30, None
        for parts in self._parts(i, j, depth - 1):
            cost = sum(part[0] for part in parts)
            if cost >= least:
                continue
            cost += self._adder(tuple(part[1].row for part in parts))
            if cost < least:
                least, best = cost, parts
        return None if best is None else (least, _node(tuple(part[1] for part in best), None))

    def _adder(self, rows: tuple[Row, ...]) -> int:
        if rows not in self._luts:
            self._luts[rows] = luts_of(rows, self._limit)
        return self._luts[rows]

    def _parts(self, i: int, j: int, depth: int) -> Iterator[tuple[tuple[int, Sum], ...]]:
        """Every way to cut an interval into two or three."""
        for k in range(i + 1, j):
            first, rest = self._interval(i, k, depth), self._interval(k, j, depth)
            if first is None:
                continue
            for n in range(k + 1, j):
                second, third = self._interval(k, n, depth), self._interval(n, j, depth)
                if second is not None and third is not None:
                    yield first, second, third
            if rest is not None:
                yield first, rest
