"""Who an identifier belonged to, at which time: claims, the links they add up to, and their resolution."""
