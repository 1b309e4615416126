"""The SDK for jobs, and the samples beside it."""
