"""The link's gateware: UART, frames, requests and answers, self-test, and the top of a board."""
