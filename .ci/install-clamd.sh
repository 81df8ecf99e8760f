#!/bin/sh
# clamd, the scanner of the tests (Debian package). No signatures are needed: the tests write their own.
set -eu
PATH="$PATH:/usr/sbin"
command -v clamd >/dev/null 2>&1 && exit 0
command -v apt-get >/dev/null 2>&1 || {
  echo "install-clamd: this is not a Debian-like system; install by hand: clamav-daemon" >&2
  exit 1
}
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo -n"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
$as_root apt-get install -q -y --no-install-recommends clamav-daemon
