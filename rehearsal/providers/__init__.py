"""The resource providers, played: azure-native, kubernetes, random."""
