"""What a report shows of a Program on data: errors, codes in use, and the scales of its ends."""
