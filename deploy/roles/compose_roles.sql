-- The database of docker-compose.yml and its roles, as `python -m deploy.roles.compose_roles` makes them. The owner
-- migrates and runs the processor, which makes and drops daily partitions; what the others may do is granted
-- by `rollcall migrate`.

-- name: statements
-- What is to be run, in order, one by one: CREATE DATABASE is refused in a transaction. Passwords come as
-- SCRAM verifiers.
WITH wanted (role, verifier, connections) AS (
    VALUES
        ('rollcall', %(rollcall)s, -1),
        ('rollcall_api', %(rollcall_api)s, 40),
        ('rollcall_notify', %(rollcall_notify)s, 20),
        ('rollcall_grafana', %(rollcall_grafana)s, 10)
),
statements (step, statement) AS (
    SELECT 1, format('CREATE ROLE %%I', role)
    FROM wanted
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)
    UNION ALL
    SELECT 2, format('ALTER ROLE %%I LOGIN PASSWORD %%L CONNECTION LIMIT %%s', role, verifier, connections)
    FROM wanted
    UNION ALL
    SELECT 3, 'CREATE DATABASE rollcall OWNER rollcall'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rollcall')
    UNION ALL
    VALUES
        (4, 'REVOKE ALL ON DATABASE rollcall FROM PUBLIC'),
        (5, 'GRANT CONNECT ON DATABASE rollcall TO rollcall_api, rollcall_notify, rollcall_grafana'),
        (6, 'ALTER ROLE rollcall_grafana SET default_transaction_read_only = on'),
        (7, $$ALTER ROLE rollcall_grafana SET statement_timeout = '30s'$$)
)
SELECT statement FROM statements ORDER BY step
