// Prints outcomes as they are published, one JSON message a line: REDIS_URL=redis://… node outcomes.mjs GROUP CONSUMER
import Redis from "ioredis";

const STREAM = process.env.PAYMENT_WORKER_STREAM ?? "payment_worker.events";
const [group = "shop", consumer = "one"] = process.argv.slice(2);
const redis = new Redis(process.env.REDIS_URL);

try {
  await redis.xgroup("CREATE", STREAM, group, "0", "MKSTREAM");
} catch (error) {
  if (!error.message.startsWith("BUSYGROUP")) throw error; // it is there already
}

// What this consumer was given before it died comes first ("0"); then what is new (">").
let from = "0";
for (;;) {
  const answer = await redis.xreadgroup("GROUP", group, consumer, "COUNT", 100, "BLOCK", 1000, "STREAMS", STREAM, from);
  const entries = answer ? answer[0][1] : [];
  for (const [id, fields] of entries) {
    const message = JSON.parse(fields[fields.indexOf("event") + 1]);
    // At least once: a message whose id was handled before is acknowledged and otherwise ignored.
    console.log(JSON.stringify(message));
    await redis.xack(STREAM, group, id);
  }
  if (from === "0" && entries.length === 0) from = ">";
}
