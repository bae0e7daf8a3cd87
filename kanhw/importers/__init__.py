"""Reading trained networks: a file per library, and the table that finds the right one (load)."""
