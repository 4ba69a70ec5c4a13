"""The site model: what the controller decided, as every process on a server reads it."""
