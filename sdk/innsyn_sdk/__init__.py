"""What a team needs for an erasure job: see `innsyn_sdk.job`. Importing it does nothing."""
