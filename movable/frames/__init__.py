"""Real machines, frame by frame: what /proc/kpageflags says of each pageblock, and who keeps it from becoming a huge page.

``snapshot`` reads the files, ``kinds`` says what a word of flags means, ``hostages`` counts blocks by what they are made of.
"""
