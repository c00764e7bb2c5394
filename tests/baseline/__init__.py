"""The policy pack's rules of published baselines, and an oracle that reads what the baselines publish."""
