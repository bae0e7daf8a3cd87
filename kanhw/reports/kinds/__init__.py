"""What reports say and draw of every kind of layer, a file a kind."""
