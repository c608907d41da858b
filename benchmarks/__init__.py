"""Speed, measured side by side with the peer or the physical limit; results in RESULTS.md."""
