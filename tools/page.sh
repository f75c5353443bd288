#!/usr/bin/env bash
# The web page: `build` makes web/dist, which `cargo build` takes in; `test` tries it in a real browser against the
# daemon of target/debug; `screenshots` leaves pictures of every page in web/shots.
# Where Node is missing or too old (20.19 is needed, Debian 12 has 18), Node 22 is fetched into target/node, once.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
what=${1:-build}

fits() {
    command -v node >/dev/null &&
        node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}
if ! fits; then
    own=$root/target/node
    if [ ! -x "$own/node_modules/node/bin/node" ]; then
        command -v npm >/dev/null || { echo "The page needs Node 20.19 or newer, or npm to fetch it: install the package npm." >&2; exit 1; }
        echo "Fetching Node 22 for the page into target/node (once)."
        mkdir -p "$own"
        npm install --silent --no-audit --no-fund --no-save --prefix "$own" node@22.23.3 >/dev/null
    fi
    export PATH=$own/node_modules/node/bin:$PATH
fi

cd web
stamp=$(sha256sum package-lock.json | cut -d' ' -f1)
if [ "$(cat node_modules/.stamp 2>/dev/null)" != "$stamp" ]; then
    echo "Fetching what the page is built with into web/node_modules (once)."
    npm ci --silent --no-audit --no-fund
    echo "$stamp" >node_modules/.stamp
fi
build() {
    if [ dist/index.html -nt package-lock.json ] &&
        [ -z "$(find src public scripts index.html vite.config.ts tsconfig.json package.json ../doc/openapi.json -newer dist/index.html -print -quit)" ]; then
        return
    fi
    echo "Building the page."
    rm -rf dist.new
    npm run --silent types >/dev/null
    npx tsc --noEmit
    npx vite build --logLevel warn --outDir dist.new
    node scripts/compress.mjs dist.new
    rm -rf dist
    mv dist.new dist
}
case $what in
    build) build ;;
    test)
        build
        npm run --silent check
        npx vitest run
        node scripts/budget.mjs
        npx playwright test
        ;;
    screenshots)
        build
        SHOTS=1 npx playwright test shots
        echo "The pictures lie in web/shots."
        ;;
    *) echo "usage: tools/page.sh build|test|screenshots" >&2; exit 2 ;;
esac
