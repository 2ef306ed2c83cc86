-- The role of the webhook receiver: it may add events to the inbox and look whether one is there, and nothing else.
--
-- Run as the owner of the tables (or a superuser) in the Payment Database, after `payment-worker migrate`, and again
-- after an upgrade whose notes say so; it may be run as often as you like:
--
--   psql "$DATABASE_URL" --set=ON_ERROR_STOP=1 --file=deploy/postgresql/receiver.sql
--   psql "$DATABASE_URL" --command="CREATE ROLE webhook LOGIN PASSWORD '…' IN ROLE payment_worker_receiver"
--
-- Then give the receiver alone DATABASE_URL=postgresql://webhook:…@host/payments.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'payment_worker_receiver') THEN
        CREATE ROLE payment_worker_receiver NOLOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO payment_worker_receiver', current_database());
    -- Everybody may make temporary tables by default, and so fill the disk.
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO payment_worker_receiver', current_schema());
END
$$;

-- What comes of an event (outcome, finished_at) is not its matter.
GRANT INSERT (
    stripe_account, event_id, type, api_version, livemode, object_id, payload, status, source, tries, lease_token,
    next_action_at, created_at, received_at
) ON stripe_event TO payment_worker_receiver;
-- Its answer says whether the event was there: no payload, and so nothing of a customer.
GRANT SELECT (stripe_account, event_id) ON stripe_event TO payment_worker_receiver;
-- /readyz says whether migrations are missing.
GRANT SELECT ON alembic_version TO payment_worker_receiver;
