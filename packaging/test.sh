#!/usr/bin/env bash
# `npm run package:test [npm|archive|deb]...`: builds the packages (compressed little), installs each where there is
# nothing else, and uses it. The Debian package needs root and debootstrap; Debian's mirror is the one of this machine.
# SUITE=trixie tries it on another Debian. ROOT=FOLDER keeps the bare system there, for the next run.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
project=$PWD
node=$project/node_modules/node/bin
export PATH=$node:$PATH
suite=${SUITE:-bookworm}
work=$(mktemp -d)
step='the start'
ended() {
  local status=$?
  kill $(jobs -p) $(sed -n 's/.*"successor":\([0-9]*\),.*/\1/p' "$service_log" 2>/dev/null) 2>/dev/null || true
  if mountpoint -q "$work/root/proc"; then umount "$work/root/proc"; fi
  rm -rf "$work"
  if [ "$status" -ne 0 ]; then echo "FAILED: $step" >&2; fi
}
trap ended EXIT

say() {
  step=$*
  printf '%4d s  %s\n' "$SECONDS" "$step"
}
# Succeeds if the text has the words; else shows it.
expect() {
  local words=$1 text=$2
  if ! grep -qF -- "$words" <<<"$text"; then
    printf 'expected: %s\nseen: %s\n' "$words" "$text" >&2
    return 1
  fi
}
absent() {
  if [ -e "$1" ]; then
    echo "still there: $1" >&2
    return 1
  fi
}

configuration='{
  "GoogleCloudPlatform": {
    "Accounts": {
      "my-google": {
        "Project": "my-project",
        "Location": "europe-west4",
        "Dataset": "my-dataset",
        "DicomStore": "my-store",
        "ServiceAccountFile": "missing.json"
      }
    }
  },
  "DicomWebProxy": { "Listen": "127.0.0.1:0", "AdminListen": null }
}'

# Starts a command with the configuration, waits until it serves, and ends it: exit code 143.
serves() {
  local log=$work/serve.log process status=0
  "$@" --config "$work/orthanc.json" >"$log" 2>&1 &
  process=$!
  for _ in $(seq 150); do
    if grep -q 'DICOMweb server for Orthanc' "$log"; then break; fi
    sleep 0.2
  done
  kill -TERM "$process"
  wait "$process" || status=$?
  for _ in $(seq 50); do
    if grep -q '"msg":"stopped"' "$log"; then break; fi
    sleep 0.2
  done
  expect '"msg":"stopped"' "$(cat "$log")"
  [ "$status" -eq 143 ]
}

test_npm() {
  say 'npm: install globally, and run'
  local tarball prefix=$work/npm
  tarball=$(ls "$work"/*.tgz)
  npm install --global --prefix "$prefix" --no-audit --no-fund --loglevel=error "$tarball"
  expect "$version" "$(env -i PATH="$node:/usr/bin:/bin" "$prefix/bin/gcp-dicomweb-proxy" --version)"
  local help
  help=$(env -i PATH="$prefix/bin:$node:/usr/bin:/bin" gcp-dicomweb-proxy --help)
  expect 'Usage: gcp-dicomweb-proxy [options]' "$help"
  say 'npm: npx demo, and SIGTERM to npx'
  cd "$work"
  expect 'Every step worked.' "$(npx --yes --package "$tarball" gcp-dicomweb-proxy demo --once)"
  serves npx --yes --package "$tarball" gcp-dicomweb-proxy
  cd "$project"
}

test_archive() {
  say 'archive: unpack, and run without any PATH'
  mkdir "$work/archive"
  tar -xJf "$work/gcp-dicomweb-proxy-$version-linux-x64.tar.xz" -C "$work/archive"
  local program=$work/archive/gcp-dicomweb-proxy-$version-linux-x64/gcp-dicomweb-proxy
  expect "$version" "$(env -i PATH= "$program" --version)"
  ln -s "$program" "$work/linked"
  expect "$version" "$(env -i PATH= "$work/linked" --version)"
  expect "Usage: $program [options]" "$(env -i PATH= "$program" --help)"
  expect 'Every step worked.' "$(env -i PATH= "$program" demo --once)"
  serves env -i PATH= "$program"
}

in_root() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 chroot "$work/root" "$@"
}

install() {
  cp "$1" "$work/root/tmp/package.deb"
  in_root apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-confold /tmp/package.deb 2>&1
}

# The same package with another version.
as_version() {
  local from=$1 other=$2 folder=$work/repacked
  dpkg-deb -R "$from" "$folder"
  sed -i "s/^Version: .*/Version: $other/" "$folder/DEBIAN/control"
  sed -i "s/\"version\": \"$version\"/\"version\": \"${other%-*}\"/" "$folder/usr/lib/gcp-dicomweb-proxy/package.json"
  echo '# changed' >>"$folder/etc/default/gcp-dicomweb-proxy"
  dpkg-deb --root-owner-group -Zxz -z0 --build "$folder" "$work/other.deb" >/dev/null
  rm -r "$folder"
}

# The service, with the emulator, in a system without systemd: a script responds to what the package's scripts ask
# systemctl. The configuration isn't the one that the service would have: that one must not work.
service_log=$work/root/tmp/service.log
service_configuration=$work/root/tmp/service.json
start_service() {
  local emulated=$work/root/tmp/emulator.log google
  mkdir -p "$work/root/run/systemd/system"
  cat >"$work/root/usr/bin/systemctl" <<'EOF'
#!/bin/sh
main() {
  pid=$(sed -n 's/.*"successor":\([0-9]*\),"msg":"a successor accepts.*/\1/p' /tmp/service.log | tail -n 1)
  echo "${pid:-$(cat /tmp/service.pid)}"
}
case "$*" in
  'show --property=MainPID --value gcp-dicomweb-proxy.service') main ;;
  'kill --kill-who=main --signal=SIGUSR2 gcp-dicomweb-proxy.service') kill -USR2 "$(main)" ;;
esac
EOF
  chmod 755 "$work/root/usr/bin/systemctl"
  "$@" emulator --port 0 --folder /tmp/emulator >"$emulated" 2>&1 &
  emulator=$!
  for _ in $(seq 100); do
    if [ -e "$work/root/tmp/emulator/credentials/service-account.json" ]; then break; fi
    sleep 0.2
  done
  google=$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$emulated" | head -n 1)
  cat >"$service_configuration" <<EOF
{
  "GoogleCloudPlatform": {
    "BaseUrl": "$google/v1/",
    "TokenUrl": "$google/token",
    "Accounts": {
      "my-google": {
        "Project": "demo", "Location": "europe-west4", "Dataset": "imaging", "DicomStore": "demo",
        "ServiceAccountFile": "/tmp/emulator/credentials/service-account.json"
      }
    }
  },
  "DicomWebProxy": { "Listen": "127.0.0.1:0", "AdminListen": "127.0.0.1:0" }
}
EOF
  "$@" --config /tmp/service.json >"$service_log" 2>&1 &
  echo $! >"$work/root/tmp/service.pid"
  logged 'access token fetched'
  url=$(grep -oE 'http://127\.0\.0\.1:[0-9]+/my-google' "$service_log" | head -n 1)
  admin=$(sed -n 's/.*"url":"\([^"]*\)","msg":"admin listener".*/\1/p' "$service_log" | head -n 1)
}
logged() {
  for _ in $(seq 150); do
    if grep -qF "$1" "$service_log"; then return; fi
    sleep 0.2
  done
  expect "$1" "$(cat "$service_log")"
}
# Half a minute of bytes that are no study, which get 400.
upload() {
  head -c 3000000 /dev/zero | curl --silent --limit-rate 100k --output /dev/null --write-out '%{http_code}' \
    --header 'content-type: multipart/related; type="application/dicom"; boundary=b' --data-binary @- "$url/studies"
}
stop_service() {
  kill -TERM "$(in_root systemctl show --property=MainPID --value gcp-dicomweb-proxy.service)"
  logged '"msg":"stopped"'
  kill -TERM "$emulator"
  rm -r "$work/root/usr/bin/systemctl" "$work/root/run/systemd"
}

bare_system() {
  local mirror
  if [ -n "${ROOT:-}" ] && [ -d "$ROOT/usr" ]; then
    cp -a "$ROOT" "$work/root"
    return
  fi
  mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
    grep -E '^(URIs:|deb )' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 || true)
  debootstrap --variant=minbase "$suite" "$work/root" ${mirror:+"$mirror"} >"$work/debootstrap.log" 2>&1 ||
    { tail -n 20 "$work/debootstrap.log" >&2; return 1; }
  if [ -n "${ROOT:-}" ]; then cp -a "$work/root" "$ROOT"; fi
}

test_deb() {
  if command -v lintian >/dev/null; then
    say 'deb: lintian'
    lintian --tag-display-limit 0 --fail-on error,warning "$work"/gcp-dicomweb-proxy_*_amd64.deb 2>&1 |
      { grep -v 'root privileges' || true; }
  else
    echo 'lintian is not installed: the form of the package is not checked.'
  fi
  say "deb: a bare Debian ($suite)"
  bare_system
  cp /etc/resolv.conf "$work/root/etc/" || true
  for file in /etc/apt/apt.conf.d/*; do
    if grep -qi 'Acquire::.*Proxy' "$file"; then cp "$file" "$work/root/etc/apt/apt.conf.d/"; fi
  done
  mount -t proc proc "$work/root/proc"
  in_root apt-get update -q >/dev/null

  say 'deb: install'
  local deb printed conf=$work/root/etc/gcp-dicomweb-proxy program=gcp-dicomweb-proxy
  deb=$(ls "$work"/gcp-dicomweb-proxy_*_amd64.deb)
  printed=$(install "$deb")
  expect "$program: write /etc/gcp-dicomweb-proxy/orthanc.json (an example lies beside it), then: systemctl start" "$printed"
  expect "$version" "$(in_root $program --version)"
  expect 'Usage: gcp-dicomweb-proxy [options]' "$(in_root $program --help)"
  expect "2750 root $program" "$(in_root stat -c '%a %U %G' /etc/$program)"
  expect ':/nonexistent:/usr/sbin/nologin' "$(in_root getent passwd $program)"
  [ -L "$work/root/etc/systemd/system/multi-user.target.wants/$program.service" ]
  grep -q "^ConditionPathExists=/etc/$program/orthanc.json" "$work/root/usr/lib/systemd/system/$program.service"
  local command
  command=$(grep '^ExecStart=' "$work/root/usr/lib/systemd/system/$program.service" | cut -d= -f2- | cut -d' ' -f1)
  [ -x "$work/root$command" ]

  say 'deb: run as its user, with a configuration and without'
  printf '%s' "$configuration" >"$conf/orthanc.json"
  chroot --userspec=$program "$work/root" true
  local as_user=(chroot "--userspec=$program" "$work/root" env -i PATH=/usr/bin:/bin gcp-dicomweb-proxy)
  printed=$("${as_user[@]}" check --offline --config /etc/$program 2>&1) && return 1
  expect 'missing.json does not exist' "$printed"
  expect 'Every step worked.' "$("${as_user[@]}" demo --once)"

  say 'deb: upgrade of a service that runs: no request fails, and an upload is finished'
  local failing=$work/failing-searches upload search
  as_version "$deb" 98.0.0-1
  start_service "${as_user[@]}"
  upload >"$work/status-of-upload" &
  upload=$!
  while true; do
    curl --silent --fail --output /dev/null "$url/studies" || echo "exit code $?" >>"$failing"
    sleep 0.1
  done &
  search=$!
  sleep 1
  printed=$(install "$work/other.deb")
  if grep -q 'could not take over' <<<"$printed"; then return 1; fi
  expect '"version":"98.0.0"' "$(curl --silent "$admin/api/status")"
  if grep -q 'stopped; the successor serves' "$service_log"; then
    echo 'The upload was too short to see the two processes.' >&2
    return 1
  fi
  wait "$upload"
  expect 400 "$(cat "$work/status-of-upload")"
  logged 'stopped; the successor serves'
  kill "$search"
  absent "$failing"

  say 'deb: upgrade to a version that can not start: the one before serves on'
  cp "$service_configuration" "$work/service.json"
  echo '{' >"$service_configuration"
  as_version "$deb" 98.0.1-1
  expect 'the new version could not take over' "$(install "$work/other.deb")"
  logged 'restart failed; this process goes on serving'
  expect '"version":"98.0.0"' "$(curl --silent "$admin/api/status")"
  stop_service
  expect 600 "$(stat -c %a "$work/root/etc/default/$program")"

  say 'deb: upgrade; the configuration stays'
  echo 'NO_PROXY=127.0.0.1' >>"$work/root/etc/default/$program"
  as_version "$deb" 99.0.0-1
  printed=$(install "$work/other.deb")
  if grep -q 'write /etc' <<<"$printed"; then return 1; fi
  expect 99.0.0-1 "$(in_root dpkg-query -W -f '${Version}' $program)"
  [ "$(cat "$conf/orthanc.json")" = "$configuration" ]
  expect NO_PROXY "$(cat "$work/root/etc/default/$program")"

  say 'deb: remove; the configuration stays'
  in_root apt-get remove -y -q $program >/dev/null 2>&1
  absent "$work/root/usr/bin/$program"
  absent "$work/root/usr/lib/$program"
  [ -e "$conf/orthanc.json" ] && [ -e "$work/root/etc/default/$program" ]

  say 'deb: purge'
  in_root apt-get purge -y -q $program >/dev/null 2>&1
  absent "$conf"
  absent "$work/root/etc/default/$program"
  absent "$work/root/etc/systemd/system/multi-user.target.wants/$program.service"
}

kinds=("$@")
if [ ${#kinds[@]} -eq 0 ]; then kinds=(npm archive deb); fi
version=$(node -p "require('./package.json').version")
printf '%s' "$configuration" >"$work/orthanc.json"
say "build: ${kinds[*]}"
node packaging/main.ts "${kinds[@]}" --platform linux-x64 --fast --out "$work"
for kind in "${kinds[@]}"; do "test_$kind"; done
say 'all worked'
