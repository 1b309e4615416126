"""What the one-node broker of this machine is made of: Java, the jars, the configuration."""
