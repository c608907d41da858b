"""What is looked for, which rows that means in which order, and the hits they become."""
