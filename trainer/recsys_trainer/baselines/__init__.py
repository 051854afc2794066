"""Plain models that every report compares with: made from the training data in a few seconds, never served."""
