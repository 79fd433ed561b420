"""One module per command: ``add_arguments`` describes its command line, ``run`` does it and returns the exit status."""
