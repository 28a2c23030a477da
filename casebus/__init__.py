"""What the services share: contracts, bus, outbox, inbox, telemetry. It knows no service."""
