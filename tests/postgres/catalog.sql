-- The schema `public` in the words of tests/fixtures/schema/deployed.txt, a section a query.

-- Columns --
SELECT c.relname || '.' || a.attname || ' | '
    || CASE WHEN t.typname = 'varchar' AND a.atttypmod > 4 THEN format('varchar(%s)', a.atttypmod - 4) ELSE t.typname END
    || ' | ' || CASE WHEN a.attnotnull THEN 'not null' ELSE '' END
    || ' | ' || COALESCE(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> '_sqlx_migrations'
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum;

-- Constraints --
SELECT c.relname || '.' || k.conname || ' | ' || pg_get_constraintdef(k.oid)
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> '_sqlx_migrations'
  AND k.contype IN ('p', 'u', 'f', 'c')
ORDER BY c.relname, k.conname;

-- Indexes that are not a constraint's --
SELECT c.relname || '.' || i.relname || ' | ' || substring(pg_get_indexdef(x.indexrelid) FROM 'USING.*')
FROM pg_index x
JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_class i ON i.oid = x.indexrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> '_sqlx_migrations'
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
ORDER BY c.relname, i.relname;

-- Enums --
SELECT t.typname || ' | ' || string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)
FROM pg_enum e
JOIN pg_type t ON t.oid = e.enumtypid
WHERE t.typnamespace = 'public'::regnamespace
GROUP BY t.typname
ORDER BY t.typname;

-- Views --
SELECT c.relname || ' | ' || string_agg(a.attname || ' ' || t.typname, ', ' ORDER BY a.attnum)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind = 'v' AND c.relnamespace = 'public'::regnamespace
GROUP BY c.relname
ORDER BY c.relname;

-- Functions --
SELECT format('%s(%s) -> %s | %s', p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), l.lanname)
FROM pg_proc p
JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = 'public'::regnamespace
ORDER BY p.proname;

-- Triggers --
SELECT c.relname || '.' || t.tgname || ' | ' || replace(
    substring(pg_get_triggerdef(t.oid) FROM '(BEFORE .+) ON ') || ' | '
    || substring(pg_get_triggerdef(t.oid) FROM 'EXECUTE FUNCTION .*'),
    ' OR ', ' or ')
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace
ORDER BY c.relname, t.tgname;

-- Seed rows --
SELECT line FROM (
    SELECT 1 AS part, code, format('permission | %s | %s | %s', code, name, category) AS line FROM permissions
    UNION ALL
    SELECT 2, code, format('role | %s | %s | %s | %s', code, name, scope, is_system) FROM roles
    UNION ALL
    SELECT 3, r.code, format('grants | %s | %s', r.code, string_agg(p.code, ' ' ORDER BY p.code COLLATE "C"))
    FROM roles r
    JOIN role_permissions rp ON rp.role_id = r.id
    JOIN permissions p ON p.id = rp.permission_id
    GROUP BY r.code
) AS seed
ORDER BY part, code COLLATE "C";
