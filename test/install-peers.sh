#!/usr/bin/env bash
# `npm run setup`: installs the programs that tests use beside Node, on Debian and what is made from it, as root or with
# sudo. Does nothing where none is missing. Needs no node_modules.
# `npm run setup -- --orthanc SUITE` brings another Orthanc instead: see test/other-orthanc.sh.
set -Eeuo pipefail
if [ "${1:-}" = --orthanc ]; then exec bash test/other-orthanc.sh "${@:2}"; fi

# The program, and the package that has it. test/helpers looks for the same ones.
missing=()
add_unless_found() {
  local package=$1 program
  for program in "${@:2}"; do
    if PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null; then return; fi
  done
  missing+=("$package")
}
add_unless_found orthanc Orthanc
if ! compgen -G '/usr/share/orthanc/plugins/libOrthancDicomWeb*' >/dev/null; then missing+=(orthanc-dicomweb); fi
add_unless_found chromium chromium chromium-browser google-chrome
add_unless_found openssl openssl
add_unless_found dcmtk dcmconv
add_unless_found prometheus promtool
add_unless_found nginx nginx
add_unless_found haproxy haproxy
add_unless_found systemd systemd-analyze

if [ ${#missing[@]} -eq 0 ]; then
  echo 'Everything that the tests use is installed.'
  exit
fi
echo "Missing: ${missing[*]}"
if ! command -v apt-get >/dev/null; then
  echo 'Only Debian and what is made from it can be set up by this command: install these yourself. Without them, the'
  echo 'tests that need them are skipped.'
  exit 1
fi

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo DEBIAN_FRONTEND="$DEBIAN_FRONTEND" "$@"; fi
}

# Mirrors fail now and then: three tries, then it is an error.
apt_get() {
  local try
  for try in 1 2 3; do
    as_root timeout 200 apt-get -q -o Acquire::Retries=3 -o Acquire::http::Timeout=30 "$@" && return
    echo "apt-get $1: try $try failed" >&2
    sleep $((try * 5))
  done
  return 1
}

export DEBIAN_FRONTEND=noninteractive
apt_get update
apt_get install -y --no-install-recommends "${missing[@]}"
