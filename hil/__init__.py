"""The bench: the simulated world around a charging station. Black box: it never imports the agent."""
