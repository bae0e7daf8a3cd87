"""Who computes: jobs, the folder that keeps what they gave, processes and clusters."""
