"""How weights are found: in optimizer steps (`steps`), in sweeps over users and items (`sweeps`), or at once."""
