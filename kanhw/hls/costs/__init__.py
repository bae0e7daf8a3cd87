"""What operators, loops and memories of HLS take, without any design."""
