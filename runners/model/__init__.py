"""What is measured and what comes out: jobs, sessions and their parts."""
