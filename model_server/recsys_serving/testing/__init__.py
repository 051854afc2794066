"""Tools for running the serving pod on a machine without containers."""
