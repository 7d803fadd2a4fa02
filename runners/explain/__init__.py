"""Where the nanoseconds of an operation go: samples, symbols, profiles and their differences."""
