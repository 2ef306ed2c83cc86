// Sends a charge, and prints its id and the outcome: REDIS_URL=redis://… node charge.mjs [AMOUNT CURRENCY PAYMENT_METHOD]
import { randomUUID } from "node:crypto";
import celery from "celery-node";
import Redis from "ioredis";

const STREAM = process.env.PAYMENT_WORKER_STREAM ?? "payment_worker.events";
const OUTCOMES = ["PaymentSucceeded", "PaymentFailed", "PaymentAuthorized", "PaymentActionRequired", "RequestRejected"];
const PATIENCE_SECONDS = 60;
const [amount = "1099", currency = "EUR", payment_method = "pm_card_visa"] = process.argv.slice(2);

const redis = new Redis(process.env.REDIS_URL);
// Whatever is published about this charge comes after what the stream holds now.
const [newest] = await redis.xrevrange(STREAM, "+", "-", "COUNT", 1);
let position = newest ? newest[0] : "0";

// Your app chooses it once, and keeps it with its order BEFORE it sends: the same id never charges twice.
const payment_id = randomUUID();
await send({ payment_id, order_id: "4711", amount: Number(amount), currency, payment_method });
console.log("sent", payment_id);

const outcome = await outcomeOf(payment_id);
console.log(outcome ? `${outcome.type} ${JSON.stringify(outcome.data)}` : `no outcome within ${PATIENCE_SECONDS} s`);
redis.disconnect();
process.exitCode = outcome ? 0 : 1;

async function send(charge) {
  // A client sends to one queue, and connects to a result backend whether it is used or not.
  const client = celery.createClient(process.env.REDIS_URL, process.env.REDIS_URL, "charges");
  await client.isReady();
  client.createTask("payment_worker.charge").applyAsync([], charge);
  // The library hides whether Redis took the message. Redis answers in order, so once this one is answered it has;
  // if it is not, send the same charge again.
  await new Promise(setImmediate);
  await client.broker.redis.ping();
  await client.disconnect();
}

async function outcomeOf(payment_id) {
  const deadline = performance.now() + PATIENCE_SECONDS * 1000;
  while (performance.now() < deadline) {
    const answer = await redis.xread("BLOCK", 1000, "STREAMS", STREAM, position);
    for (const [id, fields] of answer ? answer[0][1] : []) {
      position = id;
      const message = JSON.parse(fields[fields.indexOf("event") + 1]);
      if (message.subject === payment_id && OUTCOMES.includes(message.type)) return message;
    }
  }
}
