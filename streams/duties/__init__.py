"""Whether the company does what it promised and what the law asks, by events that flowed."""
