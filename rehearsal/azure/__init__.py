"""Azure Resource Manager as azure-native shows it: a table of resource types, each with its rules and their sources."""
