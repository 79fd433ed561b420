"""Where evidence comes from: hardware, or the simulated vendor. The only code of the measured boundary that reads
devices."""
