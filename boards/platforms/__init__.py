"""Boards, and a vendor, that amaranth-boards and Amaranth do not know: pins by the schematics."""
