"""On what 'kanhw demo' made: its speed and its picture."""
