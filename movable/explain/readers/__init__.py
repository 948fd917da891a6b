"""One file for each kind of material that people paste: each says whether a line is of its kind, and keeps what it tells."""
