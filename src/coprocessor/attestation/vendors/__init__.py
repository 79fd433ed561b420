"""One module for each format of evidence, and the simulated vendor that speaks Intel's."""
