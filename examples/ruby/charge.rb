# Sends a charge, and prints its id and the outcome: REDIS_URL=redis://… ruby charge.rb [AMOUNT CURRENCY PAYMENT_METHOD]
# Ruby's standard library alone. An app that has the gem `redis` calls that instead of the class below.
require "json"
require "securerandom"
require "socket"
require "uri"

STREAM = ENV.fetch("PAYMENT_WORKER_STREAM", "payment_worker.events")
OUTCOMES = %w[PaymentSucceeded PaymentFailed PaymentAuthorized PaymentActionRequired RequestRejected]
PATIENCE_SECONDS = 60

class Redis
  def initialize(url)
    address = URI(url)
    @socket = TCPSocket.new(address.host, address.port || 6379)
    call("AUTH", *[address.user, address.password].reject { |part| part.to_s.empty? }) if address.password
    call("SELECT", address.path.delete("/")) unless address.path.delete("/").empty?
  end

  def call(*command)
    @socket.write("*#{command.size}\r\n" + command.map { |part| "$#{part.to_s.bytesize}\r\n#{part}\r\n" }.join)
    read
  end

  private

  def read
    line = @socket.gets("\r\n") or raise "Redis closed the connection"
    kind, rest = line[0], line[1..].chomp
    case kind
    when "-" then raise rest
    when ":" then rest.to_i
    when "$" then rest.to_i.negative? ? nil : @socket.read(rest.to_i + 2).byteslice(0..-3).force_encoding("UTF-8")
    when "*" then rest.to_i.negative? ? nil : Array.new(rest.to_i) { read }
    else rest
    end
  end
end

# A message of Celery's protocol 2, as its Redis transport keeps it.
def celery_message(task, arguments, queue)
  id = SecureRandom.uuid
  {
    body: [JSON.generate([[], arguments, {}])].pack("m0"),
    "content-type": "application/json",
    "content-encoding": "utf-8",
    headers: { lang: "ruby", task: task, id: id, root_id: id, retries: 0, timelimit: [nil, nil] },
    properties: {
      correlation_id: id, delivery_mode: 2, delivery_tag: SecureRandom.uuid, body_encoding: "base64", priority: 0,
      delivery_info: { exchange: "", routing_key: queue }
    }
  }
end

def outcome_of(redis, payment_id, position)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + PATIENCE_SECONDS
  while Process.clock_gettime(Process::CLOCK_MONOTONIC) < deadline
    answer = redis.call("XREAD", "BLOCK", 1000, "STREAMS", STREAM, position)
    (answer ? answer[0][1] : []).each do |id, fields|
      position = id
      message = JSON.parse(Hash[*fields]["event"])
      return message if message["subject"] == payment_id && OUTCOMES.include?(message["type"])
    end
  end
end

amount, currency, payment_method = ARGV
redis = Redis.new(ENV.fetch("REDIS_URL"))
# Whatever is published about this charge comes after what the stream holds now.
newest = redis.call("XREVRANGE", STREAM, "+", "-", "COUNT", 1).first

# Your app chooses it once, and keeps it with its order BEFORE it sends: the same id never charges twice.
payment_id = SecureRandom.uuid
charge = {
  payment_id: payment_id, order_id: "4711", amount: (amount || 1099).to_i, currency: currency || "EUR",
  payment_method: payment_method || "pm_card_visa"
}
redis.call("LPUSH", "charges", JSON.generate(celery_message("payment_worker.charge", charge, "charges")))
puts "sent #{payment_id}"

outcome = outcome_of(redis, payment_id, newest ? newest[0] : "0")
puts outcome ? "#{outcome["type"]} #{JSON.generate(outcome["data"])}" : "no outcome within #{PATIENCE_SECONDS} s"
exit outcome ? 0 : 1
