"""The English return on looked-after children (SSDA903).

`reader` reads its files, `history` says what they tell of each child, `plan` turns that into dated acts.
"""
