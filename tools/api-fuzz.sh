#!/usr/bin/env bash
# Asks the API what its own document allows and what it does not: no 5xx, no undocumented status, no undocumented type.
# usage: tools/api-fuzz.sh [EXAMPLES FOR EACH ROUTE]; schemathesis comes from PyPI into target/, once.
set -euo pipefail
cd "$(dirname "$0")/.."
examples=${1:-8}
tool=target/schemathesis
if [ ! -x "$tool/bin/schemathesis" ]; then
    echo "Fetching schemathesis into $tool (once)."
    rm -rf "$tool.part"
    python3 -m pip install --quiet --retries 1 --disable-pip-version-check --root-user-action=ignore --target "$tool.part" schemathesis==4.32.5 || {
        rm -rf "$tool.part"
        echo "It could not be fetched: the API is not asked at random, and that is all that is left out." >&2
        exit 0
    }
    mv "$tool.part" "$tool"
fi
cargo build --locked -q -p backupd -p backupctl
home=$(mktemp -d)
# shellcheck disable=SC2317 # called by the trap
end() {
    target/debug/backupctl --home "$home" stop --now > /dev/null 2>&1 || true
    rm -rf "$home"
}
trap end EXIT
mkdir "$home/documents"
echo "dear all" > "$home/documents/letter"
cat > "$home/schedules.toml" << FILE
version = 1
[daemon]
listen = "127.0.0.1:0"
[databases.app]
url = "sqlite://$home/app.db"
[predecessors]
database = "app"
[[schedule]]
name = "docs"
source = ["documents"]
manual = true
FILE
chmod 0750 "$home"
ctl() { target/debug/backupctl --home "$home" "$@"; }
ctl start > /dev/null
ctl run docs > /dev/null
token=$(ctl token create fuzz --scope admin 2> /dev/null)
for _ in $(seq 50); do
    url=$(ctl status --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["web"] or "")')
    [ -n "$url" ] && break
    sleep 0.1
done
# The document without its credentials: made-up ones would soon be answered with 429 only.
python3 - "$url" "$home/openapi.json" << 'PROGRAM'
import json, sys, urllib.request
document = json.load(urllib.request.urlopen(sys.argv[1] + "/api/openapi.json"))
document["components"].pop("securitySchemes")
for item in document["paths"].values():
    for operation in item.values():
        operation.pop("security", None)
json.dump(document, open(sys.argv[2], "w"))
PROGRAM
# Stopping the daemon or revoking the token would end the questions; a drawn-out one would end this machine's patience.
PYTHONPATH=$tool python3 "$tool/bin/schemathesis" run "$home/openapi.json" --url "$url" -H "Authorization: Bearer $token" --max-examples "$examples" --seed 1 \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --exclude-path /api/v1/system/stop --exclude-path '/api/v1/tokens/{name}' --exclude-path-regex '/events$' --request-timeout 60 --suppress-health-check all \
    --generation-database none --phases examples,coverage,fuzzing --workers 2
ctl status > /dev/null
