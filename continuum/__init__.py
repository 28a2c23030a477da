"""The command line, the local runtime and the imports: what drives the services from outside, and none of them."""
