#!/bin/sh
# Writes what compose.yaml needs: secrets/, a file for each secret, and .env. What is there already is kept.
#
#   deploy/secrets.sh simulator    a simulated Stripe: nothing to ask for, no real money
#   deploy/secrets.sh stripe       asks for your key and your endpoint's signing secret, unless STRIPE_API_KEY and
#                                  STRIPE_WEBHOOK_SECRET are set
set -eu
cd "$(dirname "$0")/.."

case "${1:-}" in
  simulator | stripe) ;;
  *)
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

base=https://api.stripe.com
[ "$1" = stripe ] || base=http://simulator:12111
if [ -e .env ] && ! grep -qx "STRIPE_API_BASE=$base" .env; then
  echo ".env is not for '$1'. Its payments are in its own database: docker compose down --volumes, then remove .env" >&2
  echo "and secrets/, and begin anew; or deploy to another directory." >&2
  exit 1
fi

# Others on this machine cannot enter the directory. The files themselves must be readable: in a container the user
# is another one, and a file is mounted with the permissions that it has here.
umask 022
mkdir -p secrets
chmod 700 secrets

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "secrets/$1" ] || printf '%s\n' "$2" >"secrets/$1"; }
asked() { # NAME: its value from the environment, else from whoever sits here, unseen
  eval "value=\${$1:-}"
  if [ -z "$value" ]; then
    printf '%s: ' "$1" >&2
    trap 'stty echo' EXIT
    stty -echo
    read -r value
    stty echo
    echo >&2
  fi
  [ -n "$value" ] || { echo "$1 is needed." >&2; exit 1; }
  printf '%s' "$value"
}
keep_asked() { # FILE NAME
  if [ ! -s "secrets/$1" ]; then
    answer=$(asked "$2")
    keep "$1" "$answer"
  fi
}

keep postgres_password "$(random)"
keep database_url "postgresql://payment_worker:$(cat secrets/postgres_password)@postgres/payments"
keep redis_conf "requirepass $(random)"
keep redis_url "redis://:$(cut -d' ' -f2 secrets/redis_conf)@redis:6379/0"
keep flower_basic_auth "operator:$(random)"
keep console_auth "operator:$(random)"
# Keep a copy of this one elsewhere: without it, lost payments cannot be restored from Stripe.
keep metadata_secrets "$(random)"

if [ "$1" = simulator ]; then
  keep stripe_api_key "sk_test_$(random)"
  keep stripe_webhook_secret "whsec_$(random)"
else
  keep_asked stripe_api_key STRIPE_API_KEY
  keep_asked stripe_webhook_secret STRIPE_WEBHOOK_SECRET
fi

if [ ! -e .env ]; then
  [ "$1" = stripe ] || echo "COMPOSE_PROFILES=simulator" >>.env
  echo "STRIPE_API_BASE=$base" >>.env
fi
echo "secrets/ and .env are there. Next: docker compose up -d --wait"
