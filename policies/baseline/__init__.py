"""The rules of published baselines for AKS, and the score of a plan by them."""
