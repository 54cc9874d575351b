"""What device and edge server say to each other, without sockets, threads or clocks."""
