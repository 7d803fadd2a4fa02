"""Control groups (cgroups): operations of other families in a process that is in some."""
