-- What a database holds, so that a copy can be held against it. Read in one transaction, so that all of it is of one
-- moment.

-- settle --
-- Values as texts are the same whatever the server's, the role's or the database's own settings are.
SELECT
    set_config('DateStyle', 'ISO, MDY', true),
    set_config('IntervalStyle', 'postgres', true),
    set_config('TimeZone', 'UTC', true),
    set_config('extra_float_digits', '1', true),
    set_config('bytea_output', 'hex', true),
    set_config('lc_monetary', 'C', true),
    set_config('search_path', 'pg_catalog', true),
    set_config('row_security', 'off', true),
    set_config('statement_timeout', '0', true),
    set_config('idle_in_transaction_session_timeout', '0', true);

-- export --
SELECT pg_export_snapshot();

-- tables --
-- Those with rows of their own: no views, no parents of partitions, none of an extension.
SELECT n.nspname, c.relname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%%'
  AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C";

-- sequences --
SELECT schemaname || '.' || sequencename, coalesce(last_value, 0)
FROM pg_sequences
ORDER BY 1;

-- objects --
-- By name and not by definition: PostgreSQL may write a definition in other words once it has read its own.
SELECT kind, name FROM (
    SELECT 'column' AS kind, n.nspname || '.' || c.relname || '.' || a.attname || ' '
        || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END AS name,
        c.oid AS of, 'pg_class'::regclass AS class
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm')
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT CASE c.relkind WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'v' THEN 'view'
        WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'table' END,
        n.nspname || '.' || c.relname, c.oid, 'pg_class'::regclass
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'i', 'I', 'v', 'm', 'S')
    UNION ALL
    SELECT 'constraint', n.nspname || '.' || c.relname || '.' || k.conname
        || CASE WHEN k.convalidated THEN '' ELSE ' not valid' END, c.oid, 'pg_class'::regclass
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype IN ('p', 'u', 'f', 'c', 'x')
    UNION ALL
    SELECT 'trigger', n.nspname || '.' || c.relname || '.' || t.tgname
        || CASE t.tgenabled WHEN 'D' THEN ' disabled' ELSE '' END, c.oid, 'pg_class'::regclass
    FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT t.tgisinternal
    UNION ALL
    SELECT 'function', n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ') '
        || md5(p.prosrc), p.oid, 'pg_proc'::regclass
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prokind IN ('f', 'p')
    UNION ALL
    SELECT 'enum', n.nspname || '.' || t.typname || ' '
        || (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
        t.oid, 'pg_type'::regclass
    FROM pg_type t
    JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype = 'e'
    UNION ALL
    SELECT 'extension', x.extname, 0, 'pg_extension'::regclass
    FROM pg_extension x
) AS found
WHERE name !~ '^(pg_catalog|information_schema|pg_toast\w*|pg_temp_\d+)\.'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = found.class AND d.objid = found.of AND d.deptype = 'e')
ORDER BY kind, name COLLATE "C";
