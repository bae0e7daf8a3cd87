"""The float network as C++ for HLS: what a user without quantization would write."""
