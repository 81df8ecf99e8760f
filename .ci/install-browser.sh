#!/bin/sh
# Installs what the browser tests need, where it is absent: Debian's Chromium and a font for Chinese and Arabic.
set -eu

packages=""
command -v chromium >/dev/null 2>&1 || packages="$packages chromium"
[ -n "$(fc-list :lang=zh 2>/dev/null)" ] || packages="$packages fontconfig fonts-noto-cjk"
[ -n "$(fc-list :lang=ar 2>/dev/null)" ] || packages="$packages fontconfig fonts-noto-core"
[ -n "$packages" ] || exit 0

command -v apt-get >/dev/null 2>&1 || {
  echo "install-browser: this is not a Debian-like system; install by hand:$packages" >&2
  exit 1
}
if [ "$(id -u)" = 0 ]; then as_root=""; else
  as_root="sudo -n"
  command -v sudo >/dev/null 2>&1 || {
    echo "install-browser: needs root or sudo to install:$packages" >&2
    exit 1
  }
fi

export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
# shellcheck disable=SC2086  # a list of names on purpose
$as_root apt-get install -q -y --no-install-recommends $packages
command -v chromium >/dev/null || {
  echo "install-browser: chromium is still missing after the installation" >&2
  exit 1
}
