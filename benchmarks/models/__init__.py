"""What fusepath makes of the families of networks that people have; see ``__main__``."""
