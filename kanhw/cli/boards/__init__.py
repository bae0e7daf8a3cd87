"""The commands of boards: what there is, build, load, run."""
