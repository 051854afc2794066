"""The trainer against its peers: each peer runs from its own environment, in turn with ours, in the same run.

environment.py        a virtual environment for a peer, pinned, made once; torch is ours
worker.py             one side of a race as a process that answers JSON lines
race.py               A B A B …, medians, ratios
data.py               what both sides train on, as one file
ranks.py              how both sides' factors are judged
ours_neumf.py, recbole_neumf.py, dataloader_recipe.py   workers: an epoch of NeuMF
neumf.py              those three against each other, and the share of the multiplier's rate
ours_factors.py, implicit_als.py, implicit_bpr.py       workers: fit factors, say the curve
spaces.py, tuning.py  what is searched on each side, trial by trial
tuned.py              time to the peer's best, and the test
"""
