#!/usr/bin/env bash
# `npm run systemd:test`: runs deploy/systemd's unit under a real systemd, which is the first process of namespaces of its
# own. As root, on Linux with systemd 250 or newer, in half a minute. It prints what it has seen, and fails at the first
# thing that is not as it should be. The checkout must not be below /home, which the unit hides.
#
# That systemd knows no unit of this machine (SYSTEMD_UNIT_PATH), for some would clear /tmp or set kernel variables as at
# a boot. Its /tmp, /run, /etc/gcp-dicomweb-proxy, /var/lib and /var/log are empty folders in memory.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

name=gcp-dicomweb-proxy

outside() {
  if [ "$(id -u)" -ne 0 ] || ! [ -x /lib/systemd/systemd ]; then
    echo 'Not run: it needs root, and systemd (Debian: apt install systemd).'
    exit 1
  fi
  unshare --pid --fork --kill-child --mount --uts --ipc --cgroup --net --mount-proc bash test/systemd.sh boot &
  local unshared=$! pid='' status=0
  trap 'kill -KILL "$unshared" 2>/dev/null || true' EXIT
  for _ in $(seq 100); do
    pid=$(pgrep -P "$unshared" || true)
    if [ -n "$pid" ] && nsenter -t "$pid" -a systemctl is-system-running >/dev/null 2>&1; then break; fi
    sleep 0.2
  done
  timeout 120 nsenter -t "$pid" -a bash "$PWD/test/systemd.sh" checks || status=$?
  exit "$status"
}

boot() {
  local project=$PWD node units=/run/units folder unit target
  node=$(readlink -f node_modules/.bin/node)
  mount --make-rprivate /
  # With control groups v1, systemd doesn't wait for a main process that it has not started: the unit's ExecStop does.
  if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
  for folder in /run /tmp /var/lib /var/log; do mount -t tmpfs none "$folder"; done
  # A folder that may not be there can't be mounted on: the whole of /etc is copied.
  cp -a /etc /run/etc && mount --bind /run/etc /etc
  mkdir -p /etc/gcp-dicomweb-proxy "$units" /run/generators /var/log/journal
  ip link set lo up 2>/dev/null || true

  for unit in systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket; do
    cp "/lib/systemd/system/$unit" "$units/"
  done
  for target in sysinit basic multi-user sockets shutdown network-online; do
    printf '[Unit]\nDefaultDependencies=no\n' >"$units/$target.target"
  done
  printf '[Unit]\nWants=systemd-journald.service\nDefaultDependencies=no\n' >"$units/multi-user.target"

  cp "deploy/systemd/$name.service" "$units/"
  mkdir "$units/$name.service.d"
  cat >"$units/$name.service.d/test.conf" <<EOF
[Service]
ExecStart=
ExecStart=$node $(sed -n 's/^ExecStart=[^ ]* \(.*\) [^ ]*main.js .*/\1/p' "deploy/systemd/$name.service") $project/src/main.ts --config /etc/$name/orthanc.json
User=daemon
EOF
  cat >"$units/emulator.service" <<EOF
[Service]
ExecStart=$node --disable-warning=DEP0060 $project/src/main.ts emulator --port 8045 --folder /tmp
EOF
  cat >"/etc/$name/orthanc.json" <<'EOF'
{
  "GoogleCloudPlatform": {
    "BaseUrl": "http://127.0.0.1:8045/v1/",
    "TokenUrl": "http://127.0.0.1:8045/token",
    "Accounts": {
      "my-google": {
        "Project": "demo", "Location": "europe-west4", "Dataset": "imaging", "DicomStore": "demo",
        "ServiceAccountFile": "${CREDENTIALS_DIRECTORY:-/etc/gcp-dicomweb-proxy}/service-account.json"
      }
    }
  },
  "DicomWebProxy": { "Audit": { "File": "/var/log/gcp-dicomweb-proxy/audit.jsonl" } }
}
EOF
  chmod 755 "/etc/$name"
  # Credentials are mounted in one namespace, and must appear in others.
  mount --make-rshared /
  exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test SYSTEMD_UNIT_PATH=$units \
    SYSTEMD_GENERATOR_PATH=/run/generators /lib/systemd/systemd --unit=multi-user.target --log-target=journal --show-status=no \
    systemd.unified_cgroup_hierarchy=no systemd.legacy_systemd_cgroup_controller=yes
}

# Inside: what the unit does.

logged() { journalctl --unit "$name" --output cat --no-pager; }
state() { systemctl show "$name" --value --property "$1"; }
seen() { printf '%s: ok\n' "$1"; }
failed() {
  printf '%s: FAILED\n' "$1"
  logged | tail -n 20
  exit 1
}
# Seconds are for a busy machine: it waits no longer than it must.
eventually() {
  local what=$1
  for _ in $(seq 150); do
    if "${@:2}"; then return; fi
    sleep 0.2
  done
  failed "$what"
}
is() { [ "$(state "$1")" = "$2" ]; }
responds() { [ "$(curl --silent --output /dev/null --write-out '%{http_code}' "$1")" = 200 ]; }
has_logged() { logged | grep -qF "$1"; }

# What isn't cut gets its response: 400, for bytes that are no study.
upload() {
  head -c "$2" /dev/zero | curl --silent --limit-rate 100k --output /dev/null --write-out '%{http_code}' \
    --header 'content-type: multipart/related; type="application/dicom"; boundary=b' --data-binary @- \
    http://127.0.0.1:8043/my-google/studies >"$1"
}

checks() {
  local groups=v1
  if [ "$(stat --file-system --format %T /sys/fs/cgroup)" = cgroup2fs ]; then groups=v2; fi
  printf 'systemd %s with control groups %s, Node %s\n' "$(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')" "$groups" \
    "$("$(readlink -f node_modules/.bin/node)" --version)"
  if systemctl start "$name" 2>/dev/null; then failed 'without its credential, the start fails'; fi
  eventually 'without its credential, it ends' is ActiveState failed
  is ExecMainStatus 2 || failed 'with exit code 2'
  has_logged 'names a credential that systemd has not passed to this service' || failed 'and says so'
  sleep 6 # RestartSec and more
  is NRestarts 0 || failed 'and is not started again'
  seen 'without its credential: one line, exit code 2, not started again'

  systemctl start emulator
  eventually 'the emulator has written a key' test -s /tmp/credentials/service-account.json
  install -m 600 /tmp/credentials/service-account.json "/etc/$name/service-account.json"
  systemctl start "$name"
  eventually 'it is ready with a key that only root can read' responds http://127.0.0.1:8044/readyz
  responds http://127.0.0.1:8043/my-google/studies || failed 'a search'
  [ -s "/var/log/$name/audit.jsonl" ] || failed 'its audit trail'
  responds http://127.0.0.1:8044/metrics || failed 'its metrics'
  seen 'with its credential: ready, a search, metrics, an audit trail'

  systemctl reload "$name"
  eventually 'it reloads' has_logged '"trigger":"SIGHUP"'
  seen 'reload'

  local pid before
  before=$(state MainPID)
  systemctl kill --kill-whom=main --signal=SIGUSR2 "$name"
  eventually 'a successor serves' has_logged '"msg":"the predecessor has ended"'
  pid=$(state MainPID)
  [ "$pid" != "$before" ] && [ -d "/proc/$pid" ] || failed 'the successor is the main process'
  is ActiveState active && is NRestarts 0 || failed 'systemd has seen no end'
  responds http://127.0.0.1:8043/my-google/studies || failed 'a search by the successor'
  seen 'a restart by a successor: systemd follows it'

  grep -q '^Seccomp:[[:space:]]*2' "/proc/$pid/status" || failed 'its system calls are filtered'
  grep -q '^CapBnd:[[:space:]]*0*$' "/proc/$pid/status" || failed 'it has no capabilities'
  kill -KILL "$pid"
  eventually 'it is started again after a crash' is NRestarts 1
  eventually 'and is ready again' responds http://127.0.0.1:8044/readyz
  seen 'a crash: started again'

  local upload_status=/tmp/status-of-upload
  hand_over() {
    before=$(state MainPID)
    systemctl kill --kill-whom=main --signal=SIGUSR2 "$name"
    eventually 'there is a successor again' another
  }
  another() { pid=$(state MainPID); [ "$pid" != "$before" ] && [ "$pid" != 0 ]; }
  uploads() { curl --silent http://127.0.0.1:8044/metrics | grep -q '^gcp_dicomweb_proxy_requests_in_flight{.*STOW-RS.*} 1'; }

  upload "$upload_status" 600000 &
  eventually 'an upload is in flight' uploads
  hand_over
  eventually 'the upload is what the predecessor finishes' has_logged '"msg":"a successor accepts connections'
  kill -KILL "$pid"
  eventually 'systemd starts the service again after a crash of the successor' is NRestarts 2
  eventually 'and it is ready again' responds http://127.0.0.1:8044/readyz
  wait "$!" || true
  [ "$(cat "$upload_status")" = 400 ] || failed "the upload was finished first, not: $(cat "$upload_status")"
  seen 'a crash of the successor while its predecessor finishes an upload: started again'

  upload "$upload_status" 600000 &
  local first=$!
  eventually 'an upload is in flight' uploads
  hand_over
  upload "$upload_status.2" 800000 &
  eventually 'another one is in flight at the successor' uploads
  systemctl stop "$name"
  is ActiveState inactive || failed 'both stop in order'
  wait "$first" "$!" || true
  for file in "$upload_status" "$upload_status.2"; do
    [ "$(cat "$file")" = 400 ] || failed "and finish what is in flight, not: $(cat "$file")"
  done
  seen 'stop, of a successor and its predecessor: in order'
}

case "${1:-}" in
  boot) boot ;;
  checks) checks ;;
  *) outside ;;
esac
