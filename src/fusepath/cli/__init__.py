"""The command line: parses, calls one library function, prints, returns an exit code."""
