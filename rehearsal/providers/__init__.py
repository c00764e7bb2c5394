"""The simulated resource providers: azure-native, kubernetes, random."""
