"""The link's protocol as integer functions: frames, messages, test vectors and signatures."""
