#!/usr/bin/env bash
# Judges of others against the public listener: HTTP/2 conformance, slow clients, TLS.
#
#     tests/judges/run.sh [PROGRAM]        (by default target/release/reaid)
#
# Each judge that is not there is skipped with a notice: httpwg (cargo install httpwg-cli --locked),
# slowhttptest (Debian), sslyze (PyPI). Their whole output is in JUDGED, by default a folder that is
# named at the end. docs/conformance.md says what each miss means. Ends with 1 when one is not known.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

program=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/reaid}")
judged=${JUDGED:-$(mktemp -d)}
house=$(mktemp -d)
started=()
failed=0

finish() {
    local pid
    for pid in "${started[@]}"; do kill "$pid" 2> /dev/null || true; done
    for pid in "${started[@]}"; do wait "$pid" 2> /dev/null || true; done
    rm -rf "$house"
}
trap finish EXIT

# A port that is free now, for programs that take none as 0.
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

has() { command -v "$1" > /dev/null || { echo "NOTICE: no $1 here: skipped"; return 1; }; }

# Two thousand clients here, and as many connections in the server.
ulimit -n "$(ulimit -Hn)"

https=$(port) http=$(port) admin=$(port) relay=$(port)

# An authority, and a certificate of it for localhost.
certificates() {
    cd "$house"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=judges" \
        -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout root-key.pem -out root.pem 2> /dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" \
        -keyout key.pem -out request.pem 2> /dev/null
    printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nkeyUsage=critical,digitalSignature\n' > names
    openssl x509 -req -in request.pem -CA root.pem -CAkey root-key.pem -days 90 -extfile names -out leaf.pem 2> /dev/null
    cat leaf.pem root.pem > chain.pem
    chmod 600 key.pem
    cd - > /dev/null
}

serve() {
    mkdir -m 700 "$house/data"
    (umask 077 && echo a-token-of-the-judges > "$house/data/admin-token")
    cat > "$house/proxy.toml" << TOML
[edge]
listen = ["127.0.0.1:$https"]
http_listen = ["127.0.0.1:$http"]
base_url = "https://localhost:$https"
hsts = { max_age = "365d" }
[edge.tls]
certificate = "chain.pem"
private_key = "key.pem"
[admin]
listen = "127.0.0.1:$admin"
token = { file = "data/admin-token" }
[keys]
path = "data/keyring.toml"
[store]
path = "data/reaid.db"
[raptor]
deliver = "off"
[[integration]]
name = "shop"
accounts = ["1234"]
[[site]]
account = "1234"
hosts = ["shop.example"]
integration = "shop"
TOML
    (cd "$house" && "$program" keys init > /dev/null)
    (cd "$house" && exec "$program" serve 2> "$judged/serve.log") &
    server=$!
    started+=("$server")
    for _ in $(seq 100); do
        curl -sf "http://127.0.0.1:$admin/readyz" > /dev/null && return
        sleep 0.1
    done
    echo "the server did not start"
    exit 1
}

http2() {
    has httpwg || return 0
    python3 tests/judges/relay.py "$relay" "$https" &
    started+=($!)
    for _ in $(seq 50); do
        (exec 3<> "/dev/tcp/127.0.0.1/$relay") 2> /dev/null && break
        sleep 0.1
    done
    local code=0
    timeout 600 httpwg --address "127.0.0.1:$relay" --connect-timeout 2000 --frame-timeout 2000 > "$judged/httpwg.txt" 2>&1 || code=$?
    # Their names, without colours; what is not in the list is news.
    sed 's/\x1b\[[0-9;]*m//g' "$judged/httpwg.txt" | sed -n 's/.*Test failed: RFC 9113 :: [0-9]*\. //p' | sort > "$judged/httpwg-missed.txt"
    sed 's/\x1b\[[0-9;]*m//g' "$judged/httpwg.txt" | grep -E 'Passed [0-9]+/[0-9]+' || { echo "httpwg: exit $code"; failed=1; }
    if ! grep -vxFf tests/judges/http2-known.txt "$judged/httpwg-missed.txt"; then return 0; fi
    echo "httpwg: the misses above are not explained"
    failed=1
}

# Connections that the server holds.
held() { find "/proc/$server/fd" -lname 'socket:*' 2> /dev/null | wc -l; }

# A click that is signed: what slow clients ask for, and what must land meanwhile.
click() { (cd "$house" && "$program" link create https://shop.example/ --campaign judges --json | grep -o '/c/[^"?]*'); }

# slow NAME OPTIONS…: two thousand slow clients, over TLS and in the clear, all there after 5 s. A click must land all the
# time, and the server must have closed each of them by its last deadline. What the clients say of that does not count:
# who never reads does not see the end.
slow() {
    local name=$1 over url attack unavailable before left most came
    shift
    has slowhttptest || return 0
    for over in tls plain; do
        url=https://localhost:$https$(click)
        [[ $over == tls ]] || url=http://localhost:$http$(click)
        before=$(held)
        slowhttptest -c 2000 -r 400 -l 40 -p 3 -u "$url" -g -o "$judged/slow-$name-$over" "$@" \
            > "$judged/slow-$name-$over.txt" 2>&1 &
        attack=$!
        sleep 35
        left=$(($(held) - before))
        wait "$attack" || true
        # The table it ends with: seconds, closed, pending, connected, whether the service answered.
        unavailable=$(awk -F, 'NR > 1 && $5 == 0' "$judged/slow-$name-$over.csv" | wc -l)
        most=$(awk -F, 'NR > 1 && $4 > most { most = $4 } END { print most }' "$judged/slow-$name-$over.csv")
        came=$(awk -F, 'NR > 1 && $2 + $4 > came { came = $2 + $4 } END { print came }' "$judged/slow-$name-$over.csv")
        echo "slowhttptest $name over $over: $came came, at most $most at once, $left left after 35 s, $unavailable s unavailable"
        # The table's last line is up to a second old, in which 400 more came; one that is left may be the probe.
        ((came >= 1600 && unavailable == 0 && left <= 1)) || failed=1
    done
}

tls() {
    has sslyze || return 0
    sslyze --mozilla_config=intermediate --certinfo_ca_file "$house/root.pem" "localhost:$https" > "$judged/sslyze.txt" 2>&1 || true
    sed -n '/COMPLIANCE/,$p' "$judged/sslyze.txt"
    grep -q 'OK - Compliant' "$judged/sslyze.txt" || failed=1
}

certificates
serve
http2
slow headers -H -i 2 -x 24 -t GET
slow body -B -i 2 -s 8192 -x 24 -t POST
slow read -X -w 1 -y 2 -n 2 -z 1 -k 3
slow range -R -a 10 -b 3000 -t HEAD
tls
echo "judged: $judged"
exit "$failed"
