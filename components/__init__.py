"""The pattern's parts, each a component resource in a file of its own."""
