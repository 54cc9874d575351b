"""What an application uses: sessions, runs, trials of promising plans."""
