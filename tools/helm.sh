#!/bin/sh
# Puts helm into build/bin, from Go's modules. `make charts` runs it.
set -eu
cd "$(dirname "$0")/.."
version=v3.19.5

stop() {
    printf 'charts: %s\n' "$1" >&2
    exit 1
}

mkdir -p build/bin
[ -x build/bin/helm ] && [ "$(cat build/bin/helm.version 2>/dev/null)" = "$version" ] && exit 0
command -v go >/dev/null || stop "Go 1.24 or newer is needed to build helm $version, and there is no go here"
echo "charts: building helm $version into build/bin (some minutes)"
GOBIN="$PWD/build/bin" GOFLAGS=-mod=mod go install "helm.sh/helm/v3/cmd/helm@$version" 2>build/helm.log || stop "helm could not be built: $(tail -n 1 build/helm.log)"
echo "$version" >build/bin/helm.version
