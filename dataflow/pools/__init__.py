"""Who answers, how many at once, how fast, and on which GPU."""
