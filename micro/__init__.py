"""micro: what an operating system charges for the primitives that servers live on."""
