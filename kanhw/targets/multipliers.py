"""How synthesis makes products: in blocks of a family, and of LUTs where there are none."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Addend", "MultiplierBlocks", "Product", "Rows"]


@dataclass(frozen=True, order=True)
class Rows:
    """The partial products of a product in logic: multiples of one factor by bits of the other.

    Parameters
    ----------
    width, signed
        Bits of a row, and whether the last of them counts negative.
    places
        The place of every row.
    negative
        Whether the last row is taken off.
    gates
        Bits in which a bit of one factor meets a bit of the other and neither is constant; those
        that are the same in several rows count once.
    """

    width: int
    signed: bool
    places: tuple[int, ...]
    negative: bool
    gates: int


@dataclass(frozen=True, order=True)
class Addend:
    """What is added to a product without a register between them.

    Parameters
    ----------
    width, signed
        Its bits, and whether it can be negative.
    total
        Bits of the sum.
    """

    width: int
    signed: bool
    total: int


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
    known
        Its rows in logic, where synthesis finds bits of a factor that are always the same; None
        where all change. A block is taken before it does.
    square
        Whether both factors are the same number.
    addend
        What is added to it.
    """

    wide: int
    narrow: int
    result: int
    signed: tuple[bool, bool] = (True, True)
    known: Rows | None = None
    square: bool = False
    addend: Addend | None = None

    @property
    def constant(self) -> bool:
        """Whether one factor is always the same."""
        return self.known is not None and self.known.gates == 0

    @property
    def address_bits(self) -> int:
        """Of a table of the product."""
        if self.constant or self.square:
            return self.rows.width
        return sum(bits for bits, _ in self._factors)

    @property
    def rows(self) -> Rows:
        """Its partial products: a row for every bit of the factor that has fewer."""
        if self.known is not None:
            return self.known
        (narrow, below), (wide, sign) = self._factors
        return Rows(wide, sign, tuple(range(narrow)), below, wide * narrow)

    @property
    def _factors(self) -> list[tuple[int, bool]]:
        """Bits of the factors that can change, and their signs, the fewer bits first."""
        widths = zip((self.wide, self.narrow), self.signed, strict=True)
        return sorted((width - (not sign), sign) for width, sign in widths)


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
