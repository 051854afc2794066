"""From files to checked interactions to an immutable snapshot."""
