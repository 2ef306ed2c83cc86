"""The SQLAlchemy definitions of all tables; a test compares them with the migrations."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()


def _instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


payment = Table(
    "payment",
    metadata,
    Column("payment_id", Uuid, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("customer_id", Text),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("amount_authorized", BigInteger, nullable=False),
    Column("amount_captured", BigInteger, nullable=False),
    Column("amount_refunded", BigInteger, nullable=False),
    Column("amount_refund_reserved", BigInteger, nullable=False),
    Column("is_disputed", Boolean, nullable=False),
    Column("stripe_balance_transaction_id", Text),
    Column("fee", BigInteger),
    Column("net", BigInteger),
    Column("settlement_currency", Text),
    Column("failure_reason", Text),
    Column("decline_code", Text),
    Column("advice_code", Text),
    Column("retries", Integer, nullable=False),
    Column("capture_before", DateTime(timezone=True)),
    Column("action_url", Text),
    Column("action_expires_at", DateTime(timezone=True)),
    Column("cancellation_reason", Text),
    Column("stripe_account", Text, nullable=False),
    Column("application_fee_amount", BigInteger),
    Column("transfer_destination", Text),
    Column("transfer_amount", BigInteger),
    Column("not_before", DateTime(timezone=True)),
    Column("adoption_due_at", DateTime(timezone=True)),
    Column("stripe_customer", Text),
    Column("stripe_payment_intent_id", Text),
    Column("stripe_charge_id", Text),
    Column("payment_method", Text),
    Column("capture_method", Text, nullable=False),
    Column("description", Text),
    Column("statement_descriptor_suffix", Text),
    Column("metadata", JSONB, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    _instant("created_at"),
    _instant("updated_at"),
)

refund = Table(
    "refund",
    metadata,
    Column("refund_id", Uuid, primary_key=True),
    Column("payment_id", Uuid, ForeignKey("payment.payment_id"), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("failure_reason", Text),
    Column("pending_reason", Text),
    Column("requested_by", Text),
    Column("note", Text),
    Column("reverse_transfer", Boolean, nullable=False),
    Column("refund_application_fee", Boolean, nullable=False),
    Column("stripe_refund_id", Text),
    Column("fingerprint", Text),
    Column("amount_was_given", Boolean, nullable=False),
    Column("waits_until", DateTime(timezone=True)),
    Column("version", BigInteger, nullable=False),
    _instant("created_at"),
    _instant("updated_at"),
)

dispute = Table(
    "dispute",
    metadata,
    Column("stripe_dispute_id", Text, primary_key=True),
    Column("payment_id", Uuid, ForeignKey("payment.payment_id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("stripe_charge_id", Text),
    Column("reason", Text),
    Column("evidence_due_by", DateTime(timezone=True)),
    _instant("created_at"),
    _instant("updated_at"),
)

early_fraud_warning = Table(
    "early_fraud_warning",
    metadata,
    Column("stripe_early_fraud_warning_id", Text, primary_key=True),
    Column("payment_id", Uuid, ForeignKey("payment.payment_id"), nullable=False),
    Column("stripe_charge_id", Text),
    Column("fraud_type", Text, nullable=False),
    Column("is_actionable", Boolean, nullable=False),
    Column("next_action_at", DateTime(timezone=True)),
    _instant("warned_at"),
    _instant("created_at"),
    _instant("updated_at"),
)

payment_attempt = Table(
    "payment_attempt",
    metadata,
    Column("attempt_id", BigInteger, Identity(always=True), primary_key=True),
    Column("payment_id", Uuid, ForeignKey("payment.payment_id"), nullable=False),
    Column("refund_id", Uuid, ForeignKey("refund.refund_id")),
    Column("number", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("unknown_reason", Text),
    Column("error_code", Text),
    Column("stripe_request_id", Text),
    Column("tries", Integer, nullable=False),
    Column("lease_token", BigInteger, nullable=False),
    Column("next_action_at", DateTime(timezone=True)),
    _instant("first_sent_at"),
    _instant("sent_until"),
    _instant("created_at"),
    _instant("finished_at", nullable=True),
    Column("never_sent", Boolean, nullable=False),
    Column("request_id", Uuid),
    Column("retry_at", DateTime(timezone=True)),
    Column("lookup_started_at", DateTime(timezone=True)),
    Column("lookup_cursor", Text),
    Column("stripe_sent_at", DateTime(timezone=True)),
)

payment_history = Table(
    "payment_history",
    metadata,
    Column("history_id", BigInteger, Identity(always=True), primary_key=True),
    Column("payment_id", Uuid, ForeignKey("payment.payment_id"), nullable=False),
    Column("refund_id", Uuid, ForeignKey("refund.refund_id")),
    Column("stripe_dispute_id", Text),
    Column("from_status", Text),
    Column("to_status", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    _instant("recorded_at"),
)

stripe_event = Table(
    "stripe_event",
    metadata,
    Column("stripe_account", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("api_version", Text),
    Column("livemode", Boolean, nullable=False),
    Column("object_id", Text),
    Column("payload", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("outcome", Text),
    Column("source", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("lease_token", BigInteger, nullable=False),
    Column("next_action_at", DateTime(timezone=True)),
    _instant("created_at"),
    _instant("received_at"),
    _instant("finished_at", nullable=True),
    PrimaryKeyConstraint("event_id", "stripe_account"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("message_id", Uuid, nullable=False),
    Column("payment_id", Uuid),
    Column("stripe_payout_id", Text),
    Column("type", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    _instant("occurred_at"),
    _instant("published_at", nullable=True),
)

rejected_request = Table(
    "rejected_request",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("task", Text, nullable=False),
    Column("arguments", JSONB, nullable=False),
    Column("errors", JSONB, nullable=False),
    Column("ids", ARRAY(Text), nullable=False),
    Column("is_complete", Boolean, nullable=False),
    _instant("received_at"),
    _instant("replayed_at", nullable=True),
    Column("replayed_by", Text),
)

event_poll = Table(
    "event_poll",
    metadata,
    Column("stripe_account", Text, primary_key=True),
    Column("read_until", DateTime(timezone=True)),
    Column("window_since", DateTime(timezone=True)),
    Column("window_newest", DateTime(timezone=True)),
    Column("cursor", Text),
    _instant("polled_at"),
)

stripe_identity = Table(
    "stripe_identity",
    metadata,
    Column("stripe_account", Text, primary_key=True),
    Column("stripe_account_id", Text, nullable=False),
    Column("livemode", Boolean, nullable=False),
    _instant("noted_at"),
)

beat_schedule = Table(
    "beat_schedule",
    metadata,
    Column("name", Text, primary_key=True),
    _instant("last_run_at"),
)

pause = Table(
    "pause",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("reason", Text),
    Column("paused_by", Text, nullable=False),
    _instant("paused_at"),
)

operator_action = Table(
    "operator_action",
    metadata,
    Column("operator_action_id", BigInteger, Identity(always=True), primary_key=True),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text),
    Column("actor", Text, nullable=False),
    _instant("recorded_at"),
)

reconciliation_run = Table(
    "reconciliation_run",
    metadata,
    Column("run_id", BigInteger, Identity(always=True), primary_key=True),
    _instant("since"),
    _instant("until"),
    Column("is_scheduled", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("stripe_account", Text, nullable=False),
    Column("cursor", Text),
    _instant("read_back_to", nullable=True),
    Column("payments", BigInteger, nullable=False),
    Column("refunds", BigInteger, nullable=False),
    Column("disputes", BigInteger, nullable=False),
    Column("repaired", BigInteger, nullable=False),
    Column("left_open", BigInteger, nullable=False),
    Column("closed", BigInteger, nullable=False),
    _instant("started_at"),
    _instant("updated_at"),
    _instant("finished_at", nullable=True),
)

reconciliation_match = Table(
    "reconciliation_match",
    metadata,
    Column("run_id", BigInteger, primary_key=True),
    Column("object_id", Text, primary_key=True),
)

reconciliation_candidate = Table(
    "reconciliation_candidate",
    metadata,
    Column("run_id", BigInteger, primary_key=True),
    Column("stripe_payment_intent_id", Text, primary_key=True),
    Column("payment_id", Uuid, nullable=False),
    Column("stripe_account", Text, nullable=False),
)

metadata_secret = Table(
    "metadata_secret",
    metadata,
    Column("is_only", Boolean, primary_key=True),
    Column("secret", Text, nullable=False),
    _instant("created_at"),
)

reconciliation_finding = Table(
    "reconciliation_finding",
    metadata,
    Column("finding_id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("stripe_account", Text, nullable=False),
    Column("payment_id", Uuid),
    Column("refund_id", Uuid),
    Column("status", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("run_id", BigInteger, ForeignKey("reconciliation_run.run_id")),
    _instant("found_at"),
    _instant("resolved_at", nullable=True),
    Column("closed_by", Text),
    Column("close_reason", Text),
    _instant("closed_at", nullable=True),
)

stream_memory = Table(
    "stream_memory",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("last_entry_id", Text, nullable=False),
    _instant("lost_since", nullable=True),
    _instant("updated_at"),
)


balance_transaction = Table(
    "balance_transaction",
    metadata,
    Column("stripe_balance_transaction_id", Text, primary_key=True),
    Column("stripe_account", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("reporting_category", Text),
    Column("status", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("fee", BigInteger, nullable=False),
    Column("net", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("exchange_rate", Numeric),
    Column("source_id", Text),
    Column("object_id", Text),
    Column("source_amount", BigInteger),
    Column("source_currency", Text),
    Column("stripe_payout_id", Text),
    _instant("available_on"),
    _instant("created_at"),
    _instant("seen_at"),
)

balance_import = Table(
    "balance_import",
    metadata,
    Column("stripe_account", Text, primary_key=True),
    _instant("begins_at"),
    Column("is_opened", Boolean, nullable=False),
    _instant("read_until", nullable=True),
    _instant("window_since", nullable=True),
    _instant("window_newest", nullable=True),
    Column("cursor", Text),
    _instant("imported_at", nullable=True),
)

ledger_progress = Table(
    "ledger_progress",
    metadata,
    Column("is_only", Boolean, primary_key=True),
    Column("history_id", BigInteger, nullable=False),
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("entry_id", BigInteger, Identity(always=True), primary_key=True),
    Column("stripe_account", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reference", Text, nullable=False),
    _instant("occurred_at"),
    _instant("recorded_at"),
)

ledger_posting = Table(
    "ledger_posting",
    metadata,
    Column("posting_id", BigInteger, Identity(always=True), primary_key=True),
    Column("entry_id", BigInteger, ForeignKey("ledger_entry.entry_id"), nullable=False),
    Column("ledger_account", Text, nullable=False),
    Column("stripe_account", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("object_id", Text),
    Column("payment_id", Uuid),
    Column("refund_id", Uuid),
    Column("stripe_dispute_id", Text),
    Column("stripe_payout_id", Text),
)

ledger_balance = Table(
    "ledger_balance",
    metadata,
    Column("stripe_account", Text, primary_key=True),
    Column("ledger_account", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("volume", BigInteger, nullable=False),
)

ledger_daily_balance = Table(
    "ledger_daily_balance",
    metadata,
    Column("day", Date, primary_key=True),
    Column("stripe_account", Text, primary_key=True),
    Column("ledger_account", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("debits", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
)

balance_proof = Table(
    "balance_proof",
    metadata,
    Column("stripe_account", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("available", BigInteger, nullable=False),
    Column("pending", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("ledger", BigInteger, nullable=False),
    _instant("proven_at"),
)

ledger_uncleared = Table(
    "ledger_uncleared",
    metadata,
    Column("object_id", Text, primary_key=True),
    Column("stripe_account", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("ledger_account", Text, nullable=False),
    Column("ours", BigInteger, nullable=False),
    Column("theirs", BigInteger, nullable=False),
    _instant("since"),
)

payout = Table(
    "payout",
    metadata,
    Column("stripe_payout_id", Text, primary_key=True),
    Column("stripe_account", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("is_automatic", Boolean, nullable=False),
    Column("arrival_date", Date, nullable=False),
    Column("failure_code", Text),
    Column("is_arrived", Boolean, nullable=False),
    Column("itemized_amount", BigInteger),
    _instant("created_at"),
    _instant("updated_at"),
)


def _archive(table: Table) -> Table:
    """The archive of a table: the same columns, and nothing that refers to other tables."""
    columns = [Column(each.name, each.type, nullable=each.nullable, key=each.key) for each in table.columns]
    archive = Table(f"{table.name}_archive", metadata, *columns)
    archive.append_constraint(PrimaryKeyConstraint(*(each.name for each in table.primary_key)))
    return archive


payment_attempt_archive = _archive(payment_attempt)
payment_history_archive = _archive(payment_history)
