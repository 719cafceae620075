-- name: available
-- Of the extensions those that the server has files of.
SELECT name FROM pg_available_extensions WHERE name = ANY (%s)

-- name: is_built
-- Whether the index is there, whole, with its function, and none is left on presence.
SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid)
       AND to_regprocedure('search_folded(text)') IS NOT NULL
       AND to_regclass('presence_search') IS NULL

-- name: triggers
-- How many there are of those that keep search_texts.
SELECT count(*)::integer FROM pg_trigger WHERE tgrelid = 'presence'::regclass AND tgname LIKE 'search\_texts\_%'

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

-- name: keep
-- From now on search_texts follows presence, in the transaction of whoever writes that: also who is removed. A navigation
-- calls nothing for its row: its name is the one before. Who is new or removed comes by the statement, because each insert
-- prepares the expressions of the index. What was there was not kept.
TRUNCATE search_texts;
CREATE OR REPLACE FUNCTION keep_search_texts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO search_texts (user_id, name) VALUES (NEW.user_id, NEW.name)
        ON CONFLICT (user_id) DO UPDATE SET name = EXCLUDED.name;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM search_texts AS t USING removed AS r WHERE t.user_id = r.user_id;
    ELSIF EXISTS (SELECT FROM began) THEN
        INSERT INTO search_texts (user_id, name) SELECT user_id, name FROM began
        ON CONFLICT (user_id) DO UPDATE SET name = EXCLUDED.name;
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER search_texts_began AFTER INSERT ON presence REFERENCING NEW TABLE AS began
    FOR EACH STATEMENT EXECUTE FUNCTION keep_search_texts();
CREATE OR REPLACE TRIGGER search_texts_named AFTER UPDATE OF name ON presence
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION keep_search_texts();
CREATE OR REPLACE TRIGGER search_texts_removed AFTER DELETE ON presence REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_search_texts()

-- name: fill
-- Of those who were there before, some users, by id: up to whom; no row: that were all. The lock is one that a navigation
-- does not wait for, and the removal of a user does: else one who is erased meanwhile would be in it for good.
WITH step AS MATERIALIZED (
    SELECT user_id, name FROM presence WHERE user_id > %(after)s ORDER BY user_id LIMIT %(most)s FOR KEY SHARE
), filled AS (
    INSERT INTO search_texts (user_id, name) SELECT user_id, name FROM step ON CONFLICT DO NOTHING
)
SELECT max(user_id) FROM step HAVING count(*) > 0

-- name: build
-- Both columns in one index: a search asks for either.
CREATE INDEX CONCURRENTLY IF NOT EXISTS search_texts_trigrams ON search_texts
    USING gin (search_folded(user_id) {trigrams}, search_folded(name) {trigrams})

-- name: analyze
-- Its statistics.
ANALYZE search_texts

-- name: drop
-- Beside all that reads.
DROP INDEX CONCURRENTLY IF EXISTS search_texts_trigrams

-- name: drop_on_presence
-- The index of before: it made each navigation dearer.
DROP INDEX CONCURRENTLY IF EXISTS presence_search

-- name: forget
-- Nothing is kept there any more. The function takes its triggers along.
DROP FUNCTION keep_search_texts() CASCADE;
TRUNCATE search_texts
