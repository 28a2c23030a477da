"""The console: web pages over the services' APIs. It owns no data and decides nothing."""
