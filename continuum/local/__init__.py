"""PostgreSQL and Kafka as child processes of ours, on loopback, without Docker, an installed Java or an installed database."""
