#!/usr/bin/env bash
# wrk, the load generator of the benchmarks (Debian package).
set -euo pipefail
command -v wrk >/dev/null && exit 0
as_root=""
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends wrk
