"""Power and energy of a design: toggles of its netlist, times what one takes on a family."""
