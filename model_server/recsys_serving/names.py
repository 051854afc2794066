"""Names that Triton's model, its repository and its client share."""

MODEL_NAME = "recommender"
DIGEST_PARAMETER = "artifact_digest"
INPUTS = ("rows", "extra_seen", "k")
OUTPUTS = ("item_rows", "scores")
