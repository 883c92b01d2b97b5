"""The room of the dial: a family of autoencoders from beta 0 to 16."""
