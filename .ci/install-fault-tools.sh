#!/usr/bin/env bash
# What the fault tests need, where it is absent: strace, to end or fail a process at a chosen call to the kernel;
# libfaketime, to move its clock; e2fsprogs, to make a file system that loses power (Debian packages).
set -euo pipefail
packages=()
command -v strace >/dev/null || packages+=(strace)
compgen -G "/usr/lib/*/faketime/libfaketimeMT.so.1" >/dev/null || packages+=(faketime)
[ -x /usr/sbin/mkfs.ext4 ] || command -v mkfs.ext4 >/dev/null || packages+=(e2fsprogs)
[ "${#packages[@]}" -gt 0 ] || exit 0
command -v apt-get >/dev/null || {
  echo "install-fault-tools: this is not a Debian-like system; install by hand: ${packages[*]}" >&2
  exit 1
}
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo -n"
$as_root apt-get update -qq
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
