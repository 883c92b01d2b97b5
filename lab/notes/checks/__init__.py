"""What computes both sides of the steps: a module for each chapter, whose texts name its functions. Loads the engine, and torch with it."""
