"""What was recorded and must not be changed afterwards, and what of it can be proved to somebody else."""
