"""From jobs to rounds of slices: scheduler, launcher, worker, survey, sentinel."""
