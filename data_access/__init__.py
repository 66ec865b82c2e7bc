"""Filters in, small frames of counts out. No Dash, no Plotly, no rates."""
