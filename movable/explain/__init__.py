"""What people paste, explained: why there is no huge page, which page is in the way, and whether compaction would help.

``paste`` cleans lines, ``readers`` each know one kind of material and fill a ``Material``, ``zones``, ``hostages`` and ``tallies``
work out what it says, ``answers`` puts it into words, ``record`` and ``show`` give it to programs and to people.
"""
