"""The folder that a design is: manifest, ports, wires, and files for other tools."""
