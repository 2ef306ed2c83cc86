"""Create the Payment Database: payments, refunds, attempts, history, events, messages, reconciliation, ledger.

Until the first release this file is changed in place (CONTRIBUTING.md).
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PAYMENT = """
CREATE TABLE payment (
    payment_id uuid PRIMARY KEY,
    order_id text NOT NULL CHECK (length(order_id) BETWEEN 1 AND 255),
    customer_id text CHECK (length(customer_id) BETWEEN 1 AND 255),
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status text NOT NULL CHECK (status IN
        ('REQUESTED', 'PROCESSING', 'REQUIRES_ACTION', 'AUTHORIZED', 'SUCCEEDED', 'FAILED', 'CANCELED')),
    amount_authorized bigint NOT NULL DEFAULT 0 CHECK (amount_authorized >= 0),
    amount_captured bigint NOT NULL DEFAULT 0,
    amount_refunded bigint NOT NULL DEFAULT 0,
    amount_refund_reserved bigint NOT NULL DEFAULT 0,
    is_disputed boolean NOT NULL DEFAULT false,
    stripe_balance_transaction_id text,
    fee bigint,
    net bigint,
    settlement_currency text CHECK (settlement_currency ~ '^[A-Z]{3}$'),
    failure_reason text,
    decline_code text,
    advice_code text,
    retries integer NOT NULL DEFAULT 0 CHECK (retries >= 0),
    capture_before timestamptz,
    action_url text CHECK (action_url NOT LIKE '%secret%'),
    action_expires_at timestamptz,
    cancellation_reason text,
    stripe_account text NOT NULL DEFAULT '',
    application_fee_amount bigint CHECK (application_fee_amount >= 0),
    transfer_destination text,
    transfer_amount bigint CHECK (transfer_amount > 0),
    not_before timestamptz,
    adoption_due_at timestamptz,
    stripe_customer text,
    stripe_payment_intent_id text,
    stripe_charge_id text,
    payment_method text,
    capture_method text NOT NULL CHECK (capture_method IN ('automatic', 'manual')),
    description text,
    statement_descriptor_suffix text,
    metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    fingerprint text NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT payment_is_never_over_refunded CHECK
        (0 <= amount_refunded AND amount_refunded <= amount_refund_reserved
         AND amount_refund_reserved <= amount_captured),
    CONSTRAINT payment_succeeded_captured CHECK (status <> 'SUCCEEDED' OR amount_captured > 0),
    CONSTRAINT payment_captured_was_authorized CHECK
        (amount_captured = 0 OR status IN ('AUTHORIZED', 'SUCCEEDED', 'CANCELED')),
    CONSTRAINT payment_succeeded_names_its_payment_intent CHECK
        (status <> 'SUCCEEDED' OR stripe_payment_intent_id IS NOT NULL),
    CONSTRAINT payment_failed_has_a_reason CHECK ((status = 'FAILED') = (failure_reason IS NOT NULL)),
    CONSTRAINT payment_transfers_to_somebody CHECK (transfer_amount IS NULL OR transfer_destination IS NOT NULL),
    CONSTRAINT payment_is_booked_as_a_whole CHECK
        (num_nonnulls(stripe_balance_transaction_id, fee, net, settlement_currency) IN (0, 4))
);
COMMENT ON TABLE payment IS 'One row per payment: its current state. Amounts are minor units of its currency.';
COMMENT ON COLUMN payment.version IS
    'Incremented by every write; a snapshot is the newest if nothing was written since it was requested.';
COMMENT ON COLUMN payment.amount_refund_reserved IS
    'The part of the captured amount reserved by refunds that have succeeded or may still succeed.';
COMMENT ON COLUMN payment.fingerprint IS
    'SHA-256 of the request; the same id with another fingerprint is a conflict.';
COMMENT ON COLUMN payment.stripe_account IS
    'The account''s name in STRIPE_API_KEYS, or Stripe''s id; empty for the default account.';
COMMENT ON COLUMN payment.is_disputed IS 'True while a dispute is open or lost: nothing can be refunded.';
COMMENT ON COLUMN payment.fee IS
    'Fee charged by Stripe, in minor units of settlement_currency. Known some time after success.';
COMMENT ON COLUMN payment.net IS 'The charge minus the fee, in minor units of settlement_currency.';
COMMENT ON COLUMN payment.advice_code IS 'Advice code after a decline.';
COMMENT ON COLUMN payment.retries IS 'How often it was retried after a decline.';
COMMENT ON COLUMN payment.capture_before IS 'When the authorisation expires, if Stripe says so.';
COMMENT ON COLUMN payment.action_url IS 'The URL to redirect the customer to, while their action is required.';
COMMENT ON COLUMN payment.action_expires_at IS
    'The time until which it waits for its customer; then it is canceled.';
COMMENT ON COLUMN payment.not_before IS
    'The time at which it is charged, if the caller set one: its attempt is due then.';
COMMENT ON COLUMN payment.adoption_due_at IS
    'When to continue its adoption, while some of its earlier objects at Stripe are still unread.';
COMMENT ON COLUMN payment.payment_method IS
    'Stripe''s payment method, as the caller gave it; null if it gave a confirmation token.';
COMMENT ON COLUMN payment.cancellation_reason IS
    'Why it was canceled, or is to be: the caller''s reason, or Stripe''s, of which `automatic` and `expired` mean '
    'that the authorisation expired.';
CREATE UNIQUE INDEX payment_stripe_payment_intent_id ON payment (stripe_payment_intent_id);
CREATE INDEX payment_order_id ON payment (order_id);
CREATE INDEX payment_customer_id ON payment (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX payment_created_at ON payment (created_at);
CREATE INDEX payment_unfinished ON payment (updated_at)
    WHERE status IN ('REQUESTED', 'PROCESSING', 'REQUIRES_ACTION', 'AUTHORIZED');
CREATE INDEX payment_action_expires ON payment (action_expires_at) WHERE status = 'REQUIRES_ACTION';
CREATE INDEX payment_adoption_due ON payment (adoption_due_at) WHERE adoption_due_at IS NOT NULL;
CREATE INDEX payment_stripe_charge_id ON payment (stripe_charge_id);
CREATE INDEX payment_stripe_account ON payment (stripe_account) WHERE stripe_account <> '';
"""

REFUND = """
CREATE TABLE refund (
    refund_id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payment,
    amount bigint NOT NULL CHECK (amount > 0 OR status = 'FAILED' AND amount = 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status text NOT NULL CHECK (status IN
        ('REQUESTED', 'REQUIRES_ACTION', 'PENDING', 'PROCESSED', 'FAILED', 'CANCELED')),
    reason text,
    failure_reason text,
    pending_reason text,
    requested_by text,
    note text,
    reverse_transfer boolean NOT NULL DEFAULT false,
    refund_application_fee boolean NOT NULL DEFAULT false,
    stripe_refund_id text,
    fingerprint text,
    amount_was_given boolean NOT NULL,
    waits_until timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT refund_failed_has_a_reason CHECK ((status = 'FAILED') = (failure_reason IS NOT NULL)),
    CONSTRAINT refund_waits_only_unsent CHECK (waits_until IS NULL OR status = 'REQUESTED'),
    CONSTRAINT refund_processed_names_stripes CHECK
        (status IN ('REQUESTED', 'FAILED', 'CANCELED') OR stripe_refund_id IS NOT NULL)
);
COMMENT ON TABLE refund IS 'One row per refund: its current state. Amounts are minor units of its currency.';
COMMENT ON COLUMN refund.pending_reason IS 'Stripe''s reason why it is PENDING.';
COMMENT ON COLUMN refund.waits_until IS
    'Set while the payment is not known to be captured: nothing is reserved or sent to Stripe before that time.';
COMMENT ON COLUMN refund.fingerprint IS
    'SHA-256 of the request; null for a refund that was made elsewhere and adopted.';
CREATE UNIQUE INDEX refund_stripe_refund_id ON refund (stripe_refund_id);
CREATE INDEX refund_payment_id ON refund (payment_id);
CREATE INDEX refund_created_at ON refund (created_at);
CREATE INDEX refund_waiting ON refund (waits_until) WHERE waits_until IS NOT NULL;
CREATE INDEX refund_unfinished ON refund (updated_at) WHERE status IN ('REQUESTED', 'REQUIRES_ACTION', 'PENDING');
"""

DISPUTE = """
CREATE TABLE dispute (
    stripe_dispute_id text PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payment,
    status text NOT NULL CHECK (status IN
        ('WARNING_NEEDS_RESPONSE', 'WARNING_UNDER_REVIEW', 'WARNING_CLOSED',
         'NEEDS_RESPONSE', 'UNDER_REVIEW', 'APPEAL_NEEDS_RESPONSE', 'APPEAL_UNDER_REVIEW',
         'WON', 'LOST', 'PREVENTED')),
    amount bigint NOT NULL CHECK (amount >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    stripe_charge_id text,
    reason text,
    evidence_due_by timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE dispute IS 'One row per dispute of our payments: its current state, as Stripe reports it.';
COMMENT ON COLUMN dispute.amount IS 'In minor units of its currency, which may differ from the payment''s.';
CREATE INDEX dispute_payment_id ON dispute (payment_id);
CREATE INDEX dispute_needs_response ON dispute (evidence_due_by)
    WHERE status IN ('APPEAL_NEEDS_RESPONSE', 'NEEDS_RESPONSE', 'WARNING_NEEDS_RESPONSE');
"""

EARLY_FRAUD_WARNING = """
CREATE TABLE early_fraud_warning (
    stripe_early_fraud_warning_id text PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payment,
    stripe_charge_id text,
    fraud_type text NOT NULL,
    is_actionable boolean NOT NULL,
    next_action_at timestamptz,
    warned_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE early_fraud_warning IS
    'One row per report by a card''s issuer that one of our payments may be fraud, as Stripe shows it.';
COMMENT ON COLUMN early_fraud_warning.next_action_at IS
    'When the policy decides about a refund; null: the policy is off, or has decided.';
CREATE INDEX early_fraud_warning_payment_id ON early_fraud_warning (payment_id);
CREATE INDEX early_fraud_warning_due ON early_fraud_warning (next_action_at) WHERE next_action_at IS NOT NULL;
"""

ATTEMPT = """
CREATE TABLE payment_attempt (
    attempt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payment,
    refund_id uuid REFERENCES refund,
    number integer NOT NULL CHECK (number > 0),
    action text NOT NULL CHECK (action IN ('charge', 'refund', 'capture', 'cancel', 'retry')),
    path text NOT NULL,
    parameters text NOT NULL,
    idempotency_key text NOT NULL UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    status text NOT NULL CHECK (status IN ('OPEN', 'UNKNOWN', 'EXECUTED', 'DECLINED', 'REFUSED', 'ABSENT')),
    unknown_reason text,
    error_code text,
    stripe_request_id text,
    tries integer NOT NULL DEFAULT 0,
    lease_token bigint NOT NULL DEFAULT 1,
    next_action_at timestamptz,
    first_sent_at timestamptz NOT NULL,
    sent_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    never_sent boolean NOT NULL DEFAULT false,
    request_id uuid,
    retry_at timestamptz,
    lookup_started_at timestamptz,
    lookup_cursor text,
    stripe_sent_at timestamptz,
    CONSTRAINT attempt_unfinished_has_a_next_action CHECK
        ((status IN ('OPEN', 'UNKNOWN')) = (finished_at IS NULL)
         AND (finished_at IS NULL) = (next_action_at IS NOT NULL)),
    CONSTRAINT attempt_unknown_has_a_doubt CHECK (status <> 'UNKNOWN' OR unknown_reason IS NOT NULL),
    CONSTRAINT attempt_refund_names_its_refund CHECK ((action = 'refund') = (refund_id IS NOT NULL)),
    CONSTRAINT attempt_is_followed_once_it_is_over CHECK (retry_at IS NULL OR finished_at IS NOT NULL),
    CONSTRAINT attempt_is_looked_for_up_to_a_place CHECK ((lookup_started_at IS NULL) = (lookup_cursor IS NULL)),
    UNIQUE NULLS NOT DISTINCT (payment_id, refund_id, number)
);
COMMENT ON TABLE payment_attempt IS
    'One row per request to Stripe under one idempotency key, with its exact parameters.';
COMMENT ON COLUMN payment_attempt.parameters IS
    'JSON text, never rewritten: a key must always be sent with the same parameters.';
COMMENT ON COLUMN payment_attempt.next_action_at IS
    'The end of the lease while a worker executes it; otherwise the time of the next try.';
COMMENT ON COLUMN payment_attempt.sent_until IS
    'No request of this attempt is sent after this time, except by a worker that claims it again.';
COMMENT ON COLUMN payment_attempt.lease_token IS 'Incremented by every claim; a write with an older token is rejected.';
COMMENT ON COLUMN payment_attempt.never_sent IS
    'True while it is certain that it was never sent; set to false before a worker sends it.';
COMMENT ON COLUMN payment_attempt.request_id IS
    'The message that requested it, if the request has no other id: a redelivered message requests nothing new.';
COMMENT ON COLUMN payment_attempt.retry_at IS
    'When the worker retries automatically after this decline; null: it does not, or already has.';
COMMENT ON COLUMN payment_attempt.stripe_sent_at IS
    'When it was first sent, by Stripe''s clock: a look-up reads Stripe''s lists around this time.';
COMMENT ON COLUMN payment_attempt.lookup_started_at IS
    'When the look-up that read as far as `lookup_cursor` began; a later request invalidates the cursor.';
COMMENT ON COLUMN payment_attempt.lookup_cursor IS
    'The last object read, if a look-up could not read the whole list; the next look-up continues after it.';
CREATE UNIQUE INDEX payment_attempt_one_unfinished_a_payment ON payment_attempt (payment_id)
    WHERE refund_id IS NULL AND finished_at IS NULL;
CREATE UNIQUE INDEX payment_attempt_one_unfinished_a_refund ON payment_attempt (refund_id)
    WHERE refund_id IS NOT NULL AND finished_at IS NULL;
CREATE INDEX payment_attempt_due ON payment_attempt (next_action_at) WHERE next_action_at IS NOT NULL;
CREATE INDEX payment_attempt_refund_id ON payment_attempt (refund_id) WHERE refund_id IS NOT NULL;
CREATE INDEX payment_attempt_request_id ON payment_attempt (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX payment_attempt_retry_at ON payment_attempt (retry_at) WHERE retry_at IS NOT NULL;
CREATE INDEX payment_attempt_unfinished_since ON payment_attempt (first_sent_at) WHERE finished_at IS NULL;
"""

HISTORY = """
CREATE TABLE payment_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payment,
    refund_id uuid REFERENCES refund,
    stripe_dispute_id text,
    from_status text,
    to_status text NOT NULL,
    cause text NOT NULL,
    actor text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(detail) = 'object'),
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE payment_history IS
    'Every transition of a payment or one of its refunds, with its cause and actor. Append-only.';
COMMENT ON COLUMN payment_history.stripe_dispute_id IS 'Set if the transition is a dispute''s.';
CREATE INDEX payment_history_payment_id ON payment_history (payment_id, history_id);
CREATE FUNCTION refuse_to_change_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payment_history is append-only: % refused', TG_OP;
END $$;
"""

ARCHIVE = """
CREATE TABLE payment_attempt_archive (LIKE payment_attempt, PRIMARY KEY (attempt_id));
COMMENT ON TABLE payment_attempt_archive IS
    'Attempts of payments that have not changed for the retention period. Same columns as payment_attempt.';
CREATE INDEX payment_attempt_archive_payment_id ON payment_attempt_archive (payment_id);

CREATE TABLE payment_history_archive (LIKE payment_history, PRIMARY KEY (history_id));
COMMENT ON TABLE payment_history_archive IS
    'History of payments that have not changed for the retention period. Append-only.';
CREATE INDEX payment_history_archive_payment_id ON payment_history_archive (payment_id, history_id);
CREATE TRIGGER payment_history_archive_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_history_archive
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_history();
"""

HISTORY_IS_NEVER_LOST = """
CREATE FUNCTION refuse_to_lose_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT * FROM gone
        EXCEPT ALL
        SELECT * FROM payment_history_archive WHERE history_id IN (SELECT history_id FROM gone)
    ) THEN
        RAISE EXCEPTION 'payment_history is append-only: DELETE refused of what is not in payment_history_archive';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER payment_history_is_append_only BEFORE UPDATE OR TRUNCATE ON payment_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_history();
CREATE TRIGGER payment_history_is_never_lost AFTER DELETE ON payment_history REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_lose_history();
"""

EVENT = """
CREATE TABLE stripe_event (
    stripe_account text NOT NULL DEFAULT '',
    event_id text NOT NULL,
    type text NOT NULL,
    api_version text,
    livemode boolean NOT NULL,
    object_id text,
    payload jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('RECEIVED', 'PROCESSED', 'IGNORED', 'PARKED')),
    outcome text,
    source text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    lease_token bigint NOT NULL DEFAULT 0,
    next_action_at timestamptz,
    created_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    finished_at timestamptz,
    -- People name an event by its id alone.
    PRIMARY KEY (event_id, stripe_account),
    CONSTRAINT stripe_event_unfinished_has_a_next_action CHECK
        ((status = 'RECEIVED') = (next_action_at IS NOT NULL) AND (status = 'RECEIVED') = (finished_at IS NULL))
);
COMMENT ON TABLE stripe_event IS 'The inbox: every Stripe event, once, with its result.';
COMMENT ON COLUMN stripe_event.stripe_account IS
    'The account''s name in STRIPE_API_KEYS, or Stripe''s id; empty for the default account.';
COMMENT ON COLUMN stripe_event.lease_token IS
    '0: not claimed yet. Incremented when it is finished or rescheduled; a write under an older one is rejected.';
COMMENT ON COLUMN stripe_event.outcome IS
    'The result of processing it, why it is ignored, or the error for which it is retried or parked.';
-- New events and those that were claimed before are claimed apart: neither claim must scan the other's rows.
CREATE INDEX stripe_event_due ON stripe_event ((lease_token = 0), next_action_at) WHERE status = 'RECEIVED';
CREATE INDEX stripe_event_parked ON stripe_event (received_at) WHERE status = 'PARKED';
CREATE INDEX stripe_event_received_at ON stripe_event (received_at);
CREATE INDEX stripe_event_object_id ON stripe_event (object_id);
CREATE INDEX stripe_event_stripe_account ON stripe_event (stripe_account) WHERE stripe_account <> '';
-- A payload of more than 2 kB goes to the TOAST table. Within its row it would be copied when the event is claimed, and
-- again when it is finished.
ALTER TABLE stripe_event SET (toast_tuple_target = 256);
"""

EVENT_POLL = """
CREATE TABLE event_poll (
    stripe_account text PRIMARY KEY,
    read_until timestamptz,
    window_since timestamptz,
    window_newest timestamptz,
    cursor text,
    polled_at timestamptz NOT NULL,
    CONSTRAINT event_poll_window_is_open_as_a_whole CHECK
        (num_nonnulls(window_since, window_newest, cursor) IN (0, 3))
);
COMMENT ON TABLE event_poll IS
    'One row per Stripe account: how far its events were read, and the window being read, if any.';
COMMENT ON COLUMN event_poll.stripe_account IS
    'The account''s name in STRIPE_API_KEYS, or Stripe''s id; empty for the default account.';
COMMENT ON COLUMN event_poll.read_until IS
    'The time of the newest event that was read, by Stripe''s clock: the next window begins a little earlier.';
COMMENT ON COLUMN event_poll.cursor IS 'The last event of the last page that was stored; the list is read backwards.';
"""

IDENTITY = """
CREATE TABLE stripe_identity (
    stripe_account text PRIMARY KEY DEFAULT '',
    stripe_account_id text NOT NULL UNIQUE,
    livemode boolean NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE stripe_identity IS
    'Stripe''s id and mode of each account that we have a key for, stored at the first call with the key. '
    'Nothing is sent with a key of another account.';
COMMENT ON COLUMN stripe_identity.stripe_account IS
    'The name of the key in STRIPE_API_KEYS; empty for the account of STRIPE_API_KEY.';
"""

OUTBOX = """
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id uuid NOT NULL UNIQUE,
    payment_id uuid,
    stripe_payout_id text,
    type text NOT NULL,
    data jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    published_at timestamptz,
    CONSTRAINT outbox_is_about_one_thing CHECK (num_nonnulls(payment_id, stripe_payout_id) = 1)
);
COMMENT ON TABLE outbox IS
    'Messages for other apps, written in the same transaction as the change, and published to the stream afterwards.';
CREATE INDEX outbox_unpublished ON outbox (position) WHERE published_at IS NULL;
CREATE INDEX outbox_occurred_at ON outbox (occurred_at);
CREATE INDEX outbox_payment_id ON outbox (payment_id);
CREATE INDEX outbox_published_at ON outbox (published_at) WHERE published_at IS NOT NULL;
"""

STREAM = """
CREATE TABLE stream_memory (
    stream text PRIMARY KEY,
    last_entry_id text NOT NULL,
    lost_since timestamptz,
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE stream_memory IS
    'The last entry that we added to a stream. If the stream''s last id is lower, Redis has lost data.';
COMMENT ON COLUMN stream_memory.lost_since IS
    'Set while messages published since then count as unpublished, because the stream has lost them.';
"""

REJECTED = """
CREATE TABLE rejected_request (
    request_id uuid PRIMARY KEY,
    task text NOT NULL,
    arguments jsonb NOT NULL CHECK (jsonb_typeof(arguments) = 'object'),
    errors jsonb NOT NULL,
    ids text[] NOT NULL,
    is_complete boolean NOT NULL,
    received_at timestamptz NOT NULL,
    replayed_at timestamptz,
    replayed_by text,
    CHECK ((replayed_at IS NULL) = (replayed_by IS NULL)),
    CHECK (replayed_at IS NULL OR is_complete),
    CONSTRAINT rejected_request_errors_are_whole CHECK (errors = jsonb_path_query_array(errors,
        'strict $[*] ? (@.field.type() == "string" && @.code.type() == "string" && @.message.type() == "string")',
        '{}', true))
);
COMMENT ON TABLE rejected_request IS
    'Requests that were rejected, so that nobody''s money request vanishes.';
-- Rows are few, and a list of pending entries would be read whole by each search.
CREATE INDEX rejected_request_ids ON rejected_request USING gin (ids) WITH (fastupdate = off);
CREATE INDEX rejected_request_received_at ON rejected_request (received_at);
"""

SCHEDULE = """
CREATE TABLE beat_schedule (
    name text PRIMARY KEY CHECK (name <> ''),
    last_run_at timestamptz NOT NULL
);
COMMENT ON TABLE beat_schedule IS 'When any beat last enqueued each periodic task.';
"""

PAUSE = """
CREATE TABLE pause (
    kind text PRIMARY KEY CHECK (kind <> ''),
    reason text,
    paused_by text NOT NULL,
    paused_at timestamptz NOT NULL
);
COMMENT ON TABLE pause IS 'One row per kind of request that is paused; `all` for every kind.';

CREATE TABLE operator_action (
    operator_action_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action text NOT NULL CHECK (action IN
        ('paused', 'resumed', 'finding_closed', 'event_replayed', 'event_discarded', 'request_replayed')),
    subject text NOT NULL,
    reason text,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE operator_action IS
    'Operators'' actions, by command or in the console, with who, when and why. Append-only.';
COMMENT ON COLUMN operator_action.subject IS
    'The kind of request that was paused, or the id of the finding, event or request.';
CREATE FUNCTION refuse_to_change_operator_actions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'operator_action is append-only: % refused', TG_OP;
END $$;
CREATE TRIGGER operator_action_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_action
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_operator_actions();
"""

RUN = """
CREATE TABLE reconciliation_run (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL CHECK (until > since),
    is_scheduled boolean NOT NULL,
    status text NOT NULL CHECK (status IN ('RUNNING', 'FINISHED')),
    step text NOT NULL,
    stripe_account text NOT NULL DEFAULT '',
    cursor text,
    read_back_to timestamptz,
    payments bigint NOT NULL DEFAULT 0,
    refunds bigint NOT NULL DEFAULT 0,
    disputes bigint NOT NULL DEFAULT 0,
    repaired bigint NOT NULL DEFAULT 0,
    left_open bigint NOT NULL DEFAULT 0,
    closed bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT reconciliation_run_ends CHECK ((status = 'FINISHED') = (finished_at IS NOT NULL))
);
COMMENT ON TABLE reconciliation_run IS
    'One row per reconciliation of a period; a killed one is continued at its step, account and cursor.';
COMMENT ON COLUMN reconciliation_run.payments IS 'Our PaymentIntents that were compared; likewise the next two.';
CREATE INDEX reconciliation_run_unfinished ON reconciliation_run (run_id) WHERE status = 'RUNNING';
"""

MATCH = """
CREATE UNLOGGED TABLE reconciliation_match (
    run_id bigint NOT NULL,
    object_id text NOT NULL,
    PRIMARY KEY (run_id, object_id)
);
COMMENT ON TABLE reconciliation_match IS
    'Stripe objects that a run has found in the lists: rows without one are looked up one by one. '
    'Unlogged, and deleted when the run ends: losing it only costs requests.';
"""

CANDIDATE = """
CREATE TABLE reconciliation_candidate (
    run_id bigint NOT NULL,
    stripe_payment_intent_id text NOT NULL,
    payment_id uuid NOT NULL,
    stripe_account text NOT NULL,
    PRIMARY KEY (run_id, stripe_payment_intent_id)
);
COMMENT ON TABLE reconciliation_candidate IS
    'PaymentIntents that a run has found and that provably belong to a lost payment. Once all lists are read, a '
    'payment with one of them is restored, and one with several is left for a person. Deleted when the run ends.';
"""

METADATA_MAC = """
CREATE TABLE metadata_secret (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    secret text NOT NULL CHECK (length(secret) >= 32),
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE metadata_secret IS
    'The secret that signs the metadata of our objects at Stripe if PAYMENT_WORKER_METADATA_SECRETS is not set. '
    'Only the worker may read it.';
INSERT INTO metadata_secret (secret, created_at)
    SELECT encode(sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea), 'hex'), now();
"""

FINDING = """
CREATE TABLE reconciliation_finding (
    finding_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    object_id text NOT NULL,
    stripe_account text NOT NULL DEFAULT '',
    payment_id uuid,
    refund_id uuid,
    status text NOT NULL CHECK (status IN ('OPEN', 'REPAIRED', 'CLOSED')),
    detail jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(detail) = 'object'),
    run_id bigint REFERENCES reconciliation_run,
    found_at timestamptz NOT NULL,
    resolved_at timestamptz,
    closed_by text,
    close_reason text,
    closed_at timestamptz,
    CONSTRAINT reconciliation_finding_is_closed_as_a_whole CHECK
        (num_nonnulls(closed_by, close_reason, closed_at) IN (0, 3)),
    CONSTRAINT reconciliation_finding_is_noted_once UNIQUE (kind, object_id),
    CONSTRAINT reconciliation_finding_is_resolved CHECK ((status = 'OPEN') = (resolved_at IS NULL))
);
COMMENT ON TABLE reconciliation_finding IS 'Differences between our record and Stripe''s, open or resolved.';
COMMENT ON COLUMN reconciliation_finding.status IS
    'OPEN: a person has to decide. REPAIRED: our record was updated. '
    'CLOSED: the difference is gone, or a person has decided.';
COMMENT ON COLUMN reconciliation_finding.run_id IS 'The run that last found it; null if an event or a response did.';
CREATE INDEX reconciliation_finding_open ON reconciliation_finding (finding_id) WHERE status = 'OPEN';
CREATE INDEX reconciliation_finding_found_at ON reconciliation_finding (found_at);
CREATE INDEX reconciliation_finding_payment_id ON reconciliation_finding (payment_id);
CREATE INDEX reconciliation_finding_run_id ON reconciliation_finding (run_id);
"""

LEDGER = """
CREATE TABLE balance_transaction (
    stripe_balance_transaction_id text PRIMARY KEY,
    stripe_account text NOT NULL DEFAULT '',
    type text NOT NULL,
    reporting_category text,
    status text NOT NULL,
    amount bigint NOT NULL,
    fee bigint NOT NULL,
    net bigint NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    exchange_rate numeric,
    source_id text,
    object_id text,
    source_amount bigint,
    source_currency text CHECK (source_currency ~ '^[A-Z]{3}$'),
    stripe_payout_id text,
    available_on timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    CONSTRAINT balance_transaction_shows_its_source_as_a_whole CHECK
        (num_nonnulls(object_id, source_amount, source_currency) IN (0, 3))
);
COMMENT ON TABLE balance_transaction IS
    'Every movement of the balance at Stripe, as Stripe shows it. Amounts are minor units of its currency.';
COMMENT ON COLUMN balance_transaction.stripe_account IS
    'The account''s name in STRIPE_API_KEYS, or Stripe''s id; empty for the default account.';
COMMENT ON COLUMN balance_transaction.object_id IS
    'The object that it clears in the ledger: a PaymentIntent, a Refund, a dispute. source_amount is what the customer '
    'paid.';
COMMENT ON COLUMN balance_transaction.stripe_payout_id IS 'The automatic payout that paid it out.';
COMMENT ON COLUMN balance_transaction.seen_at IS 'When Stripe last showed it, by PostgreSQL''s clock.';
CREATE INDEX balance_transaction_created_at ON balance_transaction (stripe_account, created_at);
CREATE INDEX balance_transaction_source_id ON balance_transaction (source_id);
CREATE INDEX balance_transaction_stripe_payout_id ON balance_transaction (stripe_payout_id)
    WHERE stripe_payout_id IS NOT NULL;

CREATE TABLE balance_import (
    stripe_account text PRIMARY KEY,
    begins_at timestamptz NOT NULL,
    is_opened boolean NOT NULL,
    read_until timestamptz,
    window_since timestamptz,
    window_newest timestamptz,
    cursor text,
    imported_at timestamptz,
    CONSTRAINT balance_import_window_is_open_as_a_whole CHECK
        (num_nonnulls(window_since, window_newest, cursor) IN (0, 3))
);
COMMENT ON TABLE balance_import IS
    'One row per Stripe account: how far its balance transactions were read, and the window being read, if any.';
COMMENT ON COLUMN balance_import.begins_at IS
    'Older transactions, by Stripe''s clock, are part of the opening balance.';
COMMENT ON COLUMN balance_import.is_opened IS 'Whether the opening balance is posted, or known to be zero.';
COMMENT ON COLUMN balance_import.imported_at IS 'When the list was last read to its end, by PostgreSQL''s clock.';

CREATE TABLE ledger_progress (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    history_id bigint NOT NULL
);
COMMENT ON TABLE ledger_progress IS 'The last row of payment_history up to which everything is posted.';

CREATE TABLE ledger_entry (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stripe_account text NOT NULL,
    kind text NOT NULL CHECK (kind IN
        ('balance_transaction', 'record', 'payout_paid', 'payout_returned', 'opening', 'reclassification')),
    reference text NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    UNIQUE (kind, reference)
);
COMMENT ON TABLE ledger_entry IS 'The journal: one row per fact, posted once. Append-only.';
COMMENT ON COLUMN ledger_entry.occurred_at IS
    'By Stripe''s clock for what Stripe did, by PostgreSQL''s for what we recorded.';
CREATE INDEX ledger_entry_occurred_at ON ledger_entry (occurred_at);

CREATE TABLE ledger_posting (
    posting_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id bigint NOT NULL REFERENCES ledger_entry,
    ledger_account text NOT NULL,
    stripe_account text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount bigint NOT NULL CHECK (amount <> 0),
    object_id text,
    payment_id uuid,
    refund_id uuid,
    stripe_dispute_id text,
    stripe_payout_id text,
    CONSTRAINT ledger_posting_to_be_cleared_names_its_object CHECK
        (ledger_account NOT IN ('customers', 'unexplained') OR object_id IS NOT NULL)
);
COMMENT ON TABLE ledger_posting IS
    'Debits (+) and credits (-). Those of an entry sum to zero in each currency. Append-only.';
COMMENT ON COLUMN ledger_posting.object_id IS
    'Stripe''s id of the object that it clears; in `unexplained` the balance transaction, in `other_movements` another '
    'app''s object.';
COMMENT ON COLUMN ledger_posting.payment_id IS 'Set if it was known when this was posted; likewise the next two.';
CREATE INDEX ledger_posting_entry_id ON ledger_posting (entry_id);
CREATE INDEX ledger_posting_payment_id ON ledger_posting (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX ledger_posting_object_id ON ledger_posting (object_id) WHERE object_id IS NOT NULL;

CREATE TABLE ledger_balance (
    stripe_account text NOT NULL,
    ledger_account text NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    volume bigint NOT NULL,
    PRIMARY KEY (stripe_account, ledger_account, currency)
);
COMMENT ON TABLE ledger_balance IS
    'The sum of an account''s postings, and of their absolute amounts. Maintained by a trigger.';

CREATE TABLE ledger_daily_balance (
    stripe_account text NOT NULL,
    ledger_account text NOT NULL,
    currency text NOT NULL,
    day date NOT NULL,
    debits bigint NOT NULL,
    credits bigint NOT NULL,
    PRIMARY KEY (day, stripe_account, ledger_account, currency)
);
COMMENT ON TABLE ledger_daily_balance IS
    'An account''s debits and credits on one day (UTC, of occurred_at), as absolute amounts. Maintained by a trigger.';

CREATE TABLE balance_proof (
    stripe_account text NOT NULL,
    currency text NOT NULL,
    available bigint NOT NULL,
    pending bigint NOT NULL,
    reserved bigint NOT NULL,
    ledger bigint NOT NULL,
    proven_at timestamptz NOT NULL,
    PRIMARY KEY (stripe_account, currency)
);
COMMENT ON TABLE balance_proof IS
    'Stripe''s balance at the last proof, equal before and after all transactions were read, and the ledger''s then.';
COMMENT ON COLUMN balance_proof.ledger IS
    'The ledger''s balance; it should equal available, pending and reserved together.';

CREATE TABLE ledger_uncleared (
    stripe_account text NOT NULL,
    object_id text NOT NULL,
    currency text NOT NULL,
    ledger_account text NOT NULL,
    ours bigint NOT NULL,
    theirs bigint NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (object_id, stripe_account, currency)
);
COMMENT ON TABLE ledger_uncleared IS
    'Disagreements, perhaps temporary, between our records and Stripe: objects whose postings to `customers` do not '
    'sum to zero, and balance transactions that are `unexplained`. Maintained by a trigger.';
CREATE INDEX ledger_uncleared_since ON ledger_uncleared (since);

CREATE FUNCTION post_in_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added GROUP BY entry_id, currency HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'ledger_posting: an entry does not sum to zero' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO ledger_balance AS held (stripe_account, ledger_account, currency, amount, volume)
        SELECT stripe_account, ledger_account, currency, sum(amount), sum(abs(amount)) FROM added
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (stripe_account, ledger_account, currency) DO UPDATE
            SET amount = held.amount + excluded.amount, volume = held.volume + excluded.volume;
    INSERT INTO ledger_daily_balance AS held (stripe_account, ledger_account, currency, day, debits, credits)
        SELECT added.stripe_account, ledger_account, currency, (occurred_at AT TIME ZONE 'UTC')::date,
            coalesce(sum(amount) FILTER (WHERE amount > 0), 0), coalesce(-sum(amount) FILTER (WHERE amount < 0), 0)
        FROM added JOIN ledger_entry USING (entry_id) GROUP BY 1, 2, 3, 4 ORDER BY 4, 1, 2, 3
        ON CONFLICT (day, stripe_account, ledger_account, currency) DO UPDATE
            SET debits = held.debits + excluded.debits, credits = held.credits + excluded.credits;
    INSERT INTO ledger_uncleared AS known
            (stripe_account, object_id, currency, ledger_account, ours, theirs, since)
        SELECT added.stripe_account, added.object_id, added.currency, added.ledger_account,
            coalesce(sum(added.amount) FILTER (WHERE kind = 'record'), 0),
            coalesce(sum(added.amount) FILTER (WHERE kind <> 'record'), 0),
            min(occurred_at)
        FROM added JOIN ledger_entry USING (entry_id) WHERE ledger_account IN ('customers', 'unexplained')
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3
        ON CONFLICT (stripe_account, object_id, currency) DO UPDATE
            SET ours = known.ours + excluded.ours, theirs = known.theirs + excluded.theirs,
                since = least(known.since, excluded.since);
    DELETE FROM ledger_uncleared AS known USING added
        WHERE added.ledger_account IN ('customers', 'unexplained') AND known.stripe_account = added.stripe_account
            AND known.object_id = added.object_id AND known.currency = added.currency
            AND known.ours + known.theirs = 0;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_posting_sums_to_zero AFTER INSERT ON ledger_posting REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION post_in_balance();
CREATE FUNCTION refuse_to_change_the_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP;
END $$;
CREATE TRIGGER ledger_entry_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_ledger();
CREATE TRIGGER ledger_posting_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_posting
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_ledger();
"""

PAYOUT = """
CREATE TABLE payout (
    stripe_payout_id text PRIMARY KEY,
    stripe_account text NOT NULL DEFAULT '',
    amount bigint NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status text NOT NULL CHECK (status IN ('PENDING', 'IN_TRANSIT', 'PAID', 'FAILED', 'CANCELED')),
    is_automatic boolean NOT NULL,
    arrival_date date NOT NULL,
    failure_code text,
    is_arrived boolean NOT NULL DEFAULT false,
    itemized_amount bigint,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE payout IS 'One row per payout: its current state. Amount in minor units of its currency.';
COMMENT ON COLUMN payout.is_arrived IS 'Whether it was ever paid; it may fail after that.';
COMMENT ON COLUMN payout.itemized_amount IS
    'The sum of the balance transactions that Stripe lists for it; null until they are read, and for a manual payout.';
CREATE INDEX payout_unfinished ON payout (created_at) WHERE status IN ('PENDING', 'IN_TRANSIT');
CREATE INDEX payout_not_itemized ON payout (created_at) WHERE is_automatic AND itemized_amount IS NULL;
CREATE INDEX payout_created_at ON payout (created_at);
"""

VACUUM = """
-- By default a table is vacuumed once a fifth of it is dead, and analyzed once a tenth has changed: with ten million
-- rows that is two million dead versions in every index, including the partial ones on due rows, and statistics that do
-- not show a backlog of 100,000. So these tables, which change with each charge, are vacuumed at 1 %: every quarter of
-- an hour at 100 charges a second.
ALTER TABLE payment SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01);
ALTER TABLE refund SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01);
ALTER TABLE payment_attempt SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01);
ALTER TABLE stripe_event SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01);
-- Only ever appended to: frozen in small pieces, instead of all at once when transaction ids run out.
ALTER TABLE payment_history SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.01);
"""

TABLES = (
    PAYMENT,
    REFUND,
    DISPUTE,
    EARLY_FRAUD_WARNING,
    ATTEMPT,
    HISTORY,
    ARCHIVE,
    HISTORY_IS_NEVER_LOST,
    EVENT,
    EVENT_POLL,
    IDENTITY,
    OUTBOX,
    STREAM,
    REJECTED,
    SCHEDULE,
    PAUSE,
    RUN,
    MATCH,
    CANDIDATE,
    FINDING,
    METADATA_MAC,
    LEDGER,
    PAYOUT,
    VACUUM,
)

DROP = """
DROP TABLE payout, balance_proof, ledger_uncleared, ledger_balance, ledger_daily_balance,
    ledger_posting, ledger_entry, ledger_progress,
    balance_import, balance_transaction;
DROP FUNCTION post_in_balance, refuse_to_change_the_ledger;
DROP TABLE metadata_secret, reconciliation_finding, reconciliation_candidate, reconciliation_match, reconciliation_run,
    operator_action, pause, beat_schedule, rejected_request, stream_memory, outbox, event_poll, stripe_event,
    payment_history_archive, payment_attempt_archive, payment_history, payment_attempt,
    early_fraud_warning, dispute, refund, payment, stripe_identity;
DROP FUNCTION refuse_to_change_operator_actions, refuse_to_lose_history, refuse_to_change_history;
"""


def upgrade() -> None:
    """Create the tables, their constraints and the triggers that keep history append-only."""
    for statement in TABLES:
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """Drop everything: every record of payments is gone after this."""
    op.get_bind().exec_driver_sql(DROP)
