// Calls Stripe with its own library, at the simulator whose address is in STRIPE_API_BASE.
import Stripe from "stripe";

const { hostname, port } = new URL(process.env.STRIPE_API_BASE);
const stripe = new Stripe("sk_test_x", { host: hostname, port: Number(port), protocol: "http" });

const intent = await stripe.paymentIntents.create({
  amount: 1099,
  currency: "eur",
  payment_method: "pm_card_visa",
  confirm: true,
  automatic_payment_methods: { enabled: true, allow_redirects: "never" },
});
console.log(intent.status);

const refund = await stripe.refunds.create({ payment_intent: intent.id, amount: 500 });
console.log(refund.status);

try {
  await stripe.checkout.sessions.create({ mode: "setup" });
} catch (error) {
  console.log(error.statusCode, error.code);
}
