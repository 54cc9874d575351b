"""The best plan for every link rate of a range."""
