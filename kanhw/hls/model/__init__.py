"""What HLS would make of a design, without the tool."""
