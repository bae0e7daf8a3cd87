"""The computer's end of the link."""
