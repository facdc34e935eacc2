-- With the transaction that did it: who has read a row tells by it whether a message is about what was read, or is news.
-- And a row that moves there and back again tells so: no two messages are the same.

SET LOCAL lock_timeout = '10s';

CREATE OR REPLACE FUNCTION notify_live() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('live', concat_ws(' ', TG_ARGV[0], NEW.id, coalesce(NEW.status, '-'), pg_current_xact_id()));
    RETURN NULL;
END;
$$;
