"""Rules, periods, filters and indicators in plain Python and pandas; imports nothing of ours."""
