"""The pytest plug-in: options and collection only; imports nothing heavy."""
