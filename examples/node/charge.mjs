// Enqueues a charge: REDIS_URL=redis://… node charge.mjs PAYMENT_ID ORDER_ID 1099 EUR pm_card_visa
import celery from "celery-node";

const [payment_id, order_id, amount, currency, payment_method] = process.argv.slice(2);

// A client sends to one queue, and connects to a result backend whether it is used or not.
const client = celery.createClient(process.env.REDIS_URL, process.env.REDIS_URL, "charges");
await client.isReady();
client
  .createTask("payment_worker.charge")
  .applyAsync([], { payment_id, order_id, amount: Number(amount), currency, payment_method });

// The library hides whether Redis took the message. Redis answers in order, so once this one is answered it has;
// if it is not, send the same charge again: the same id never charges twice.
await new Promise(setImmediate);
await client.broker.redis.ping();
await client.disconnect();
