-- What a phone and its user told earlier in a span, as time travel shows it (design, section 7).

-- NULL: nothing else. Else an array of [until_ms, name, app_version, device_info, platform], the
-- first first; stay in presence has it of open spans.
ALTER TABLE spans ADD COLUMN told_before jsonb;

-- The element of such an array that held at an instant; NULL: what the span itself says did.
CREATE FUNCTION told_at(told_before jsonb, at timestamptz) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (
        SELECT told
        FROM jsonb_array_elements(told_before) WITH ORDINALITY AS each (told, place)
        WHERE from_ms((told ->> 0)::bigint) > at
        ORDER BY place LIMIT 1
    );
