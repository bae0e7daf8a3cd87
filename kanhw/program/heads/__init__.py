"""Programs that share codebooks, joined as heads of one."""
