<?php
// Sends a charge, and prints its id and the outcome: REDIS_URL=redis://… php charge.php [AMOUNT CURRENCY PAYMENT_METHOD]
// PHP's core alone. An app that has phpredis or Predis calls that instead of the class below.

declare(strict_types=1);

const OUTCOMES = ['PaymentSucceeded', 'PaymentFailed', 'PaymentAuthorized', 'PaymentActionRequired', 'RequestRejected'];
const PATIENCE_SECONDS = 60;

final class RedisClient
{
    /** @var resource */
    private $socket;

    public function __construct(string $url)
    {
        $address = parse_url($url);
        $this->socket = fsockopen($address['host'], $address['port'] ?? 6379, timeout: 5);
        if (isset($address['pass'])) {
            $who = array_filter([$address['user'] ?? '', $address['pass']], fn ($part) => $part !== '');
            $this->call('AUTH', ...array_map('urldecode', array_values($who)));
        }
        $database = trim($address['path'] ?? '', '/');
        if ($database !== '') {
            $this->call('SELECT', $database);
        }
    }

    public function call(string|int ...$command): mixed
    {
        $parts = array_map(fn ($part) => '$' . strlen((string) $part) . "\r\n$part\r\n", $command);
        fwrite($this->socket, '*' . count($command) . "\r\n" . implode('', $parts));
        return $this->read();
    }

    private function read(): mixed
    {
        $line = fgets($this->socket);
        if ($line === false) {
            throw new RuntimeException('Redis closed the connection');
        }
        $rest = substr($line, 1, -2);
        switch ($line[0]) {
            case '-':
                throw new RuntimeException($rest);
            case ':':
                return (int) $rest;
            case '$':
                return (int) $rest < 0 ? null : substr(stream_get_contents($this->socket, (int) $rest + 2), 0, -2);
            case '*':
                return (int) $rest < 0 ? null : array_map(fn () => $this->read(), array_fill(0, (int) $rest, null));
            default:
                return $rest;
        }
    }
}

function uuid4(): string
{
    $bytes = random_bytes(16);
    $bytes[6] = chr(ord($bytes[6]) & 0x0f | 0x40);
    $bytes[8] = chr(ord($bytes[8]) & 0x3f | 0x80);
    return vsprintf('%s%s-%s-%s-%s-%s%s%s', str_split(bin2hex($bytes), 4));
}

/** A message of Celery's protocol 2, as its Redis transport keeps it. */
function celery_message(string $task, array $arguments, string $queue): string
{
    $id = uuid4();
    return json_encode([
        'body' => base64_encode(json_encode([[], $arguments, new stdClass()])),
        'content-type' => 'application/json',
        'content-encoding' => 'utf-8',
        'headers' => [
            'lang' => 'php', 'task' => $task, 'id' => $id, 'root_id' => $id, 'retries' => 0, 'timelimit' => [null, null],
        ],
        'properties' => [
            'correlation_id' => $id, 'delivery_mode' => 2, 'delivery_tag' => uuid4(), 'body_encoding' => 'base64',
            'priority' => 0, 'delivery_info' => ['exchange' => '', 'routing_key' => $queue],
        ],
    ]);
}

function outcome_of(RedisClient $redis, string $stream, string $payment_id, string $position): ?array
{
    $deadline = hrtime(true) + PATIENCE_SECONDS * 1_000_000_000;
    while (hrtime(true) < $deadline) {
        $answer = $redis->call('XREAD', 'BLOCK', 1000, 'STREAMS', $stream, $position);
        foreach ($answer[0][1] ?? [] as [$id, $fields]) {
            $position = $id;
            $message = json_decode($fields[array_search('event', $fields) + 1], associative: true);
            if ($message['subject'] === $payment_id && in_array($message['type'], OUTCOMES)) {
                return $message;
            }
        }
    }
    return null;
}

$stream = getenv('PAYMENT_WORKER_STREAM') ?: 'payment_worker.events';
$redis = new RedisClient(getenv('REDIS_URL'));
// Whatever is published about this charge comes after what the stream holds now.
$newest = $redis->call('XREVRANGE', $stream, '+', '-', 'COUNT', 1)[0][0] ?? '0';

// Your app chooses it once, and keeps it with its order BEFORE it sends: the same id never charges twice.
$payment_id = uuid4();
$charge = [
    'payment_id' => $payment_id, 'order_id' => '4711', 'amount' => (int) ($argv[1] ?? 1099),
    'currency' => $argv[2] ?? 'EUR', 'payment_method' => $argv[3] ?? 'pm_card_visa',
];
$redis->call('LPUSH', 'charges', celery_message('payment_worker.charge', $charge, 'charges'));
echo "sent $payment_id\n";

$outcome = outcome_of($redis, $stream, $payment_id, $newest);
echo $outcome ? "{$outcome['type']} " . json_encode($outcome['data']) : 'no outcome within ' . PATIENCE_SECONDS . ' s', "\n";
exit($outcome ? 0 : 1);
