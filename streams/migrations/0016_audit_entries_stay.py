"""What is in the audit log stays as it is.

Three things may change: who did it may become nobody when their login is deleted, the channel none when it is deleted,
and an erasure, which says so for its transaction (streams/audit.py), takes out what tells of a person.
"""

from django.db import migrations

from streams.patience import PatientMigration

CLOSE = """
CREATE FUNCTION streams_auditentry_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'Entries of the audit log are not deleted.' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.id, NEW.at, NEW.action, NEW.role) IS DISTINCT FROM (OLD.id, OLD.at, OLD.action, OLD.role)
        OR (NEW.by_id IS DISTINCT FROM OLD.by_id AND NEW.by_id IS NOT NULL)
        OR (NEW.channel_id IS DISTINCT FROM OLD.channel_id AND NEW.channel_id IS NOT NULL)
        OR (
            (NEW.viewer_id, NEW.target, NEW.detail) IS DISTINCT FROM (OLD.viewer_id, OLD.target, OLD.detail)
            AND coalesce(current_setting('streamstats.erasing', true), '') <> 'on'
        )
    THEN
        RAISE EXCEPTION 'Entries of the audit log are not changed.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER streams_auditentry_stays BEFORE UPDATE OR DELETE ON streams_auditentry
    FOR EACH ROW EXECUTE FUNCTION streams_auditentry_stays();
"""
OPEN = """
DROP TRIGGER streams_auditentry_stays ON streams_auditentry;
DROP FUNCTION streams_auditentry_stays();
"""


class Migration(PatientMigration):
    dependencies = [("streams", "0015_moderators_asked_for")]
    operations = [migrations.RunSQL(CLOSE, OPEN)]
