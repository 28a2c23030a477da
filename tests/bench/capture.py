"""PostgreSQL's own bound: the rows that our transactions write, noted as they are written, and then written again by SQL alone.

Triggers note every row that a transaction inserts, changes or deletes, in a pass that isn't timed. `replayed` gives the empty tables back
their rows: one transaction for each of ours, one INSERT … SELECT for each table, no client between, with the same indexes and the same
durability. What comes out is how fast this server can keep these rows, whoever brings them.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

import psycopg

from tests.bench.ground import Store

_TABLES = """
    SELECT n.nspname, c.relname,
      array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
            ORDER BY attnum),
      array(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
            WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY a.attnum)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('own', 'copy') AND c.relkind = 'r' ORDER BY 1, 2"""
_NOTE = """
    CREATE FUNCTION bench.note_{name}_{verb}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      INSERT INTO bench."{name}" SELECT pg_current_xact_id()::text::bigint, nextval('bench.n'), '{letter}', {columns} FROM changed;
      RETURN NULL;
    END $$;
    CREATE TRIGGER bench_{verb} AFTER {verb} ON {table} REFERENCING {which} TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION bench.note_{name}_{verb}()"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    schema: str
    name: str
    columns: Sequence[str]
    key: Sequence[str]

    @property
    def place(self) -> str:
        return f'{self.schema}."{self.name}"'

    @property
    def noted(self) -> str:
        return f"{self.schema}_{self.name}"

    def write(self, letters: set[str]) -> str:
        """The statements that bring one transaction's rows: the last state of each, new ones inserted, known ones changed."""
        columns, key = ", ".join(f'"{c}"' for c in self.columns), ", ".join(f'"{c}"' for c in self.key)
        of_one = f'FROM bench."{self.noted}" WHERE bench_b = one_batch'
        parts = []
        if "D" in letters:
            parts.append(f"DELETE FROM {self.place} WHERE ({key}) IN (SELECT {key} {of_one} AND bench_letter = 'D');")
        if letters == {"I"}:
            parts.append(f"INSERT INTO {self.place} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} {of_one} ORDER BY {key};")
        elif letters != {"D"}:
            rest = ", ".join(f'"{c}" = excluded."{c}"' for c in self.columns if c not in self.key) or f"{key} = excluded.{key}"
            parts.append(
                f"INSERT INTO {self.place} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} {of_one} AND bench_letter <> 'D'"
                f" ORDER BY {key} ON CONFLICT ({key}) DO UPDATE SET {rest};"
            )
        return "\n".join(parts)


def capture(store: Store) -> None:
    """Note from here on what is written."""
    with psycopg.connect(store.owner_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA bench; CREATE SEQUENCE bench.n")
        for table in _tables(connection):
            columns = ", ".join(f'"{c}"' for c in table.columns)
            noted = f"0::bigint AS bench_b, 0::bigint AS bench_n, 'I' AS bench_letter, {columns} FROM {table.place} LIMIT 0"
            connection.execute(f'CREATE UNLOGGED TABLE bench."{table.noted}" AS SELECT {noted}'.encode())
            for verb, letter, which in (("insert", "I", "NEW"), ("update", "U", "NEW"), ("delete", "D", "OLD")):
                noting = _NOTE.format(name=table.noted, verb=verb, letter=letter, which=which, columns=columns, table=table.place)
                connection.execute(noting.encode())


def release(store: Store) -> None:
    """Note no more, and keep what was noted in the order in which it is replayed."""
    with psycopg.connect(store.owner_url.replace("+psycopg", ""), autocommit=True) as connection:
        for table in _tables(connection):
            for verb in ("insert", "update", "delete"):
                connection.execute(f"DROP TRIGGER bench_{verb} ON {table.place}".encode())
            key = ", ".join(f'"{c}"' for c in table.key)
            within = f"PARTITION BY bench_b, {key}, bench_letter = 'D' ORDER BY bench_n DESC"
            connection.execute(  # of a row that a transaction wrote twice, the last state
                f'DELETE FROM bench."{table.noted}" t USING (SELECT bench_n, row_number() OVER ({within}) AS bench_place'
                f' FROM bench."{table.noted}") o WHERE t.bench_n = o.bench_n AND o.bench_place > 1'.encode()
            )
            connection.execute(f'CREATE INDEX ON bench."{table.noted}" (bench_b)'.encode())
        connection.execute("VACUUM ANALYZE")


def replayed(store: Store, *, sessions: int = 1, a_commit: int = 1) -> float:
    """Write what was noted into the tables as they are now, so many of our transactions a commit; return the seconds that it took."""
    url = store.owner_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        wrote = {}
        for table in _tables(connection):
            letters = {one for (one,) in connection.execute(f'SELECT DISTINCT bench_letter FROM bench."{table.noted}"'.encode())}
            if letters:
                wrote[table.noted] = table.write(letters)
        every = " UNION ".join(f'SELECT bench_b AS b FROM bench."{name}"' for name in wrote)
        connection.execute(f"CREATE TABLE bench.batches AS SELECT row_number() OVER (ORDER BY b) AS n, b FROM ({every}) x".encode())
        connection.execute(
            (
                "CREATE PROCEDURE bench.replay(my_part int, all_parts int) LANGUAGE plpgsql AS $p$"
                " DECLARE one_batch bigint; one_number bigint; BEGIN"
                " FOR one_number, one_batch IN SELECT n, b FROM bench.batches WHERE n % all_parts = my_part ORDER BY n LOOP\n"
                + "\n".join(wrote.values())
                + f"\nIF one_number % {a_commit} = 0 THEN COMMIT; END IF; END LOOP; END $p$"
            ).encode()
        )
        connection.execute("CHECKPOINT")
    return _call(url, sessions)


def _call(url: str, sessions: int) -> float:
    connections = [psycopg.connect(url, autocommit=True) for _ in range(sessions)]
    with ThreadPoolExecutor(sessions) as pool:
        begin = perf_counter()
        said = [f"CALL bench.replay({part}, {sessions})".encode() for part in range(sessions)]
        calls = [pool.submit(connection.execute, call) for connection, call in zip(connections, said, strict=True)]
        for call in calls:
            call.result()
        took = perf_counter() - begin
    for connection in connections:
        connection.close()
    return took


def digest(store: Store) -> str:
    """Of all rows of the service's tables: equal for equal contents, in whatever order they were written."""
    with psycopg.connect(store.owner_url.replace("+psycopg", ""), autocommit=True) as connection:
        found = []
        for table in _tables(connection):
            columns = ", ".join(f'"{c}"' for c in table.columns)
            kept = "WHERE count <> 0" if "count" in table.columns else ""  # a cell that nothing counts for says what no cell says
            query = f"SELECT count(*), coalesce(sum(hashtextextended(row({columns})::text, 0)::numeric), 0) FROM {table.place} {kept}"
            found.append(f"{table.place} {connection.execute(query.encode()).fetchone()}")
    return "\n".join(found)


def _tables(connection: psycopg.Connection[tuple[object, ...]]) -> list[_Table]:
    rows = connection.execute(_TABLES).fetchall()
    return [_Table(schema=schema, name=name, columns=columns, key=key) for schema, name, columns, key in rows]  # type: ignore[arg-type]  # as the query says
