"""Side-by-side timings. Each script measures both sides in one run and prints their ratio: median, least and most."""
