"""What models may do to an edge server: measured and vetted in processes of their own, or here."""
