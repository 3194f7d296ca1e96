"""The command line: it parses, calls, and hands what comes back to a renderer."""
