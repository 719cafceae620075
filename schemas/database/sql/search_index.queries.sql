-- name: available
-- Of the extensions those that the server has files of.
SELECT name FROM pg_available_extensions WHERE name = ANY (%s)

-- name: is_built
-- Whether the index is there, whole, with its function.
SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid)
       AND to_regprocedure('search_folded(text)') IS NOT NULL

-- name: create_extension
-- Does nothing where somebody has created it, in whatever schema.
CREATE EXTENSION IF NOT EXISTS {}

-- name: schemas
-- Where the extensions are.
SELECT extname, nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE extname = ANY (%s)

-- name: make_function
-- Without case and accents, as `folded` in api/presence/queries.sql, and then as unaccent has it: ø is o, ß is
-- ss. Immutable as long as nobody edits the server's unaccent.rules; who does builds the index anew.
CREATE OR REPLACE FUNCTION search_folded(told text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE
        WHEN octet_length(told) = length(told) THEN lower(told)
        ELSE lower({unaccent}(
            {dictionary}::regdictionary,
            regexp_replace(normalize(told, NFKD), '[\u0300-\u036f]', '', 'g')
        ))
    END

-- name: build
-- Both columns in one index: a search asks for either.
CREATE INDEX CONCURRENTLY IF NOT EXISTS presence_search ON presence
    USING gin (search_folded(user_id) {trigrams}, search_folded(name) {trigrams})

-- name: analyze
-- Its statistics.
ANALYZE presence

-- name: drop
-- Beside all that reads.
DROP INDEX CONCURRENTLY IF EXISTS presence_search
