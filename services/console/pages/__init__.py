"""The pages: words for codes, tables from numbers, the live feed, and the routes that put them together."""
