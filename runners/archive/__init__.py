"""Session files, baselines and what earlier sessions taught."""
