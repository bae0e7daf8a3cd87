"""The boards, a file a family."""
