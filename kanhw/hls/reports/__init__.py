"""Reports of HLS tools: synthesis, co-simulation, implementation."""
