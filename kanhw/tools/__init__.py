"""Programs that kanhw runs: finding them, running them, their versions."""
