"""How synthesis makes products: in blocks of a family, and of LUTs where there are none."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MultiplierBlocks", "Product"]


@dataclass(frozen=True, order=True)
class Product:
    """A product of two integers that change.

    Parameters
    ----------
    wide, narrow
        Bits of the factors in two's complement.
    result
        Bits of the product.
    signed
        Whether each factor can be negative; one that cannot has a bit in two's complement that is
        always 0, which is no logic.
    partial
        Bits of its partial products in logic, where one factor is a constant; None where both
        change. A block is taken either way.
    square
        Whether both factors are the same number.
    """

    wide: int
    narrow: int
    result: int
    signed: tuple[bool, bool] = (True, True)
    partial: int | None = None
    square: bool = False

    @property
    def address_bits(self) -> int:
        """Of a table of the product."""
        return self.bits[0] if self.square else sum(self.bits)

    @property
    def bits(self) -> tuple[int, int]:
        """Bits of the factors that can change, the fewer ones first."""
        wide, narrow = (
            width - (not sign)
            for width, sign in zip((self.wide, self.narrow), self.signed, strict=True)
        )
        return min(wide, narrow), max(wide, narrow)

    @property
    def partial_bits(self) -> int:
        """Bits of the partial products that make it in logic: a row for every bit of one factor."""
        narrow, wide = self.bits
        if self.partial is not None:
            return self.partial
        # Where a factor can be negative, so can its row, which takes about one more to set right.
        partial = max(narrow - 1 + (any(self.signed) and narrow > 2), 0) * wide
        # Of a square half of them are pairs of the same.
        return partial // 2 if self.square else partial


@dataclass(frozen=True, kw_only=True)
class MultiplierBlocks:
    """The multiplier blocks of a family, as Yosys' mul2dsp uses them.

    Parameters
    ----------
    wide, narrow
        Bits of the factors of one block, in two's complement.
    least_result, least_factor
        Products of fewer bits are made of LUTs.
    registered
        Whether synthesis puts the register behind a product into its block.
    """

    wide: int
    narrow: int
    least_result: int = 0
    least_factor: int = 2
    registered: bool = False

    def blocks(self, product: Product) -> int:
        """Blocks of a product; 0 where it is made of LUTs.

        A factor that is too wide is cut into parts of a bit less than a block takes, since all but
        the highest have no sign.
        """
        if product.result < self.least_result or product.narrow < self.least_factor:
            return 0
        return _parts(product.wide, self.wide) * _parts(product.narrow, self.narrow)


def _parts(width: int, most: int) -> int:
    return 1 if width <= most else -(-(width - 1) // (most - 1))
