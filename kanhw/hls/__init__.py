"""C++ for HLS tools: the back end `hls`, its simulation, and reports of the tools."""
