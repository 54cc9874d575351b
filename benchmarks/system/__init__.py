"""Two hosts on one machine: every plan and three peers, over a real link of a known rate."""
