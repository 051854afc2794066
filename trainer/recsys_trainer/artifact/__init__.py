"""The artifact: written from fitted weights, read back for golden answers and for every evaluation."""
